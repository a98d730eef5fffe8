"""Texts of the audit log's page."""

from __future__ import annotations

TEXTS = {
    "title": ("操作日志", "Audit log"),
    "about": ("谁在何时改了什么。", "Who changed what, and when."),
    "user": ("用户", "User"),
    "action": ("操作", "Action"),
    "target": ("对象", "Object"),
    "since": ("自", "From"),
    "until": ("至", "To"),
    "before": ("修改前", "Before"),
    "after": ("修改后", "After"),
    "details": ("查看前后内容", "Before and after"),
    "export": ("导出 CSV", "Export CSV"),
    "signin.in": ("登录", "Signed in"),
    "signin.out": ("退出登录", "Signed out"),
}
