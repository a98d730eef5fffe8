"""Masks personal data in free text before it is kept for analysis."""

from __future__ import annotations

import re

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("[email]", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    # Chinese ID numbers have 17 digits and a check character; passports a letter or two and digits.
    ("[id]", re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)|(?<![A-Za-z0-9])[A-Za-z]{1,2}\d{7,9}(?![A-Za-z0-9])")),
    ("[card]", re.compile(r"(?<!\d)\d(?:[ -]?\d){14,18}(?!\d)")),
    ("[phone]", re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)")),
    ("[phone]", re.compile(r"(?<!\d)0\d{2,3}[ -]?\d{7,8}(?!\d)|(?<!\w)\+\d{1,3}(?:[ -]?\d){7,12}(?!\d)")),
    (
        "[plate]",
        re.compile(
            r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·\s]?[A-Z0-9]{5,6}(?![A-Za-z0-9])"
        ),
    ),
    (
        "[name]",
        re.compile(
            r"(?<=我叫)[㐀-鿿]{2,4}|(?<=我是)[㐀-鿿]{2,3}(?=[，,。])|(?<=[Mm]y name is )[A-Z]\w+(?: [A-Z]\w+)*"
        ),
    ),
    ("[number]", re.compile(r"(?<!\d)\d{8,}(?!\d)")),
)


def mask(text: str) -> str:
    """Return text with e-mail addresses, ID, card, telephone and plate numbers and stated names replaced by labels."""
    for label, pattern in _PATTERNS:
        text = pattern.sub(label, text)
    return text
