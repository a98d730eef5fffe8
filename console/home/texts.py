"""Texts of the start page."""

from __future__ import annotations

TEXTS = {
    "title": ("首页", "Start"),
    "welcome": ("您好，{name}", "Hello, {name}"),
    "lead": ("请选择要处理的工作。", "Choose what to work on."),
}
