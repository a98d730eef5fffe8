"""Finds the Rasa actions of every city module: one `actions.py` in each folder here."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from types import ModuleType

import actions


def load_actions() -> list[ModuleType]:
    """Import `actions.<module>.actions` of every city module that has one.

    rasa-sdk's own search imports every file below the package, and also whatever happens to be named like one of
    the folders elsewhere on the path (`pkgutil.walk_packages` without a prefix).
    """
    found = []
    for module in pkgutil.iter_modules(actions.__path__, "actions."):
        name = f"{module.name}.actions"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            found.append(importlib.import_module(name))
    return found
