from __future__ import annotations
RULES = ("time", "phone", "request_number", "line", "intersection", "street")
