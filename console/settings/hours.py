"""Opening hours as a table of days with up to two spans, and as the desk reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from console.forms import Form

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
SPANS = ("1", "2")
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")

Windows = list[dict[str, Any]]


def read_hours(form: Form) -> Windows:
    """Return the windows that the table describes; what is wrong with a day stands in `form.errors`."""
    windows: Windows = []
    for day in DAYS:
        last = ""
        for span in SPANS:
            start, end = form.value(f"{day}_from_{span}").strip(), form.value(f"{day}_to_{span}").strip()
            if not start and not end:
                continue
            right = _CLOCK.fullmatch(start) and _CLOCK.fullmatch(end) and start < end and start >= last
            if not right or start == "24:00":
                form.fail(f"{day}_from_{span}", "settings.hours_wrong", day=day)
                continue
            last = end
            windows.append({"days": [day], "from": start, "to": end})
    if not windows:
        form.fail("mon_from_1", "settings.never_open")
    return windows


def table_of(windows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the table's fields for windows; of more than two on a day only the first two fit."""
    fields: dict[str, str] = {}
    for day in DAYS:
        spans = sorted(
            (str(window["from"]), str(window["to"])) for window in windows if day in window["days"]
        )
        for span, (start, end) in zip(SPANS, spans, strict=False):
            fields[f"{day}_from_{span}"], fields[f"{day}_to_{span}"] = start, end
    return fields
