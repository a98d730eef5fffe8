"""Parses columns of numbers, batch by batch: thousands separators, full-width digits, trailing units, blanks."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd

BLANK = frozenset(
    {"", "-", "--", "---", "na", "n/a", "nan", "null", "none", "nil", "#n/a", "无", "缺失", "?"}
)
_WITH_UNIT = re.compile(r"([+-]?[\d.,]+(?:e[+-]?\d+)?)\s*([a-z°%\u4e00-\u9fff]+)?", re.IGNORECASE)


@dataclass
class Numbers:
    """Values of one batch, NaN where blank or no number."""

    values: np.ndarray
    bad: int
    example: tuple[int, str] = (0, "")
    units: frozenset[str] = frozenset()


def parse_numbers(cells: pd.Series, decimal_comma: bool = False, first_row: int = 2) -> Numbers:
    """Parse one batch of cells (text or numbers), shape (n,)."""
    if cells.dtype.kind in "fiub":
        values = cells.to_numpy(dtype=float, na_value=np.nan)
        values[~np.isfinite(values)] = np.nan
        return Numbers(values, 0)
    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan).copy()
    odd = np.flatnonzero(~np.isfinite(values))
    if not len(odd):
        return Numbers(values, 0)
    rest = cells.iloc[odd].astype("string").fillna("")
    meaning: dict[str, tuple[float, str, bool]] = {
        text: read_number(str(text), decimal_comma) for text in rest.unique()
    }
    read = [meaning[text] for text in rest]
    values[odd] = [item[0] for item in read]
    bad = [at for at, item in zip(odd, read, strict=False) if item[2]]
    units = frozenset(item[1] for item in read if item[1])
    example = (first_row + int(bad[0]), str(cells.iloc[bad[0]])) if bad else (0, "")
    return Numbers(values, len(bad), example, units)


def read_number(text: str, decimal_comma: bool) -> tuple[float, str, bool]:
    """Return (value, unit, whether it is no number)."""
    plain = unicodedata.normalize("NFKC", text).strip().strip("'\"").replace(" ", "")
    if plain.lower() in BLANK:
        return np.nan, "", False
    found = _WITH_UNIT.fullmatch(plain)
    if found is None:
        return np.nan, "", True
    digits = found[1]
    if decimal_comma or re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", digits):
        digits = digits.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", digits):
        digits = digits.replace(",", "")
    try:
        return float(digits), found[2] or "", False
    except ValueError:
        return np.nan, "", True
