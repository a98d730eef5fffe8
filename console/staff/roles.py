"""The staff roles, each one able to do what those before it can."""

from __future__ import annotations

ROLES = ("viewer", "editor", "publisher", "operator", "admin")
_RANK = {"citizen": 0, **{role: rank for rank, role in enumerate(ROLES, 1)}}


def at_least(role: str, needed: str) -> bool:
    """Return whether `role` may do what `needed` may; an unknown role may nothing.

    Raises:
        KeyError: when `needed` is no role.
    """
    return _RANK.get(role, 0) >= _RANK[needed]
