"""Reads `text<TAB>intent` files in whatever encoding they come."""

from __future__ import annotations

import codecs
from pathlib import Path

from training.nlu.data import DataSet, Example
from training.nlu.errors import DataFileError

_HEADERS = (
    {"text", "utterance", "sentence", "query", "question", "example", "句子", "文本", "问题"},
    {"intent", "label", "class", "category", "意图", "标签", "类别"},
)
_NO_LABEL = {"", "nan", "null", "none", "n/a"}
_SHOWN = 3


def decode(raw: bytes, name: str) -> str:
    """Return a file's text, whether UTF-8, UTF-8 with mark, UTF-16 or GB 18030.

    Raises:
        DataFileError: when it is none of them.
    """
    marks = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
    for mark, encoding in marks:
        if raw.startswith(mark):
            return _strict(raw, encoding, name)
    sample = raw[:4000]
    # Without a mark, UTF-16 shows by the zero halves of its tabs and line ends.
    if sample.count(b"\0") > len(sample) // 20:
        return _strict(
            raw, "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be", name
        )
    for encoding in ("utf-8", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or _plausible(text):
            return text
    raise DataFileError(f"{name}: is in no known encoding (tried UTF-8, UTF-16, GB 18030); save it as UTF-8")


def _strict(raw: bytes, encoding: str, name: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataFileError(
            f"{name}: begins like {encoding} but byte {error.start} is not; save it as UTF-8"
        ) from None


def _plausible(text: str) -> bool:
    """GB 18030 accepts nearly any bytes; real Chinese text is made of common Chinese characters."""
    beyond = [char for char in text if ord(char) > 127]
    common = sum(
        "\u4e00" <= c <= "\u9fff" or "\u3000" <= c <= "\u303f" or "\uff00" <= c <= "\uffef" for c in beyond
    )
    return common >= 0.8 * len(beyond)


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes. Raises DataFileError when it cannot be read or is empty."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataFileError(
            f"{path}: cannot be read ({error.strerror}); check name and permissions"
        ) from None
    if not raw.strip():
        raise DataFileError(f"{path}: is empty; write lines `text<TAB>intent`, or Rasa NLU YAML")
    return raw


def read_tsv(path: Path) -> DataSet:
    """Read `text<TAB>intent` lines; a header line is optional, further columns are ignored.

    Lines without a text or a label (also NaN) are left out and noted.

    Raises:
        DataFileError: for an empty or undecodable file, or one without tabs.
    """
    lines = decode(read_bytes(path), str(path)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    examples: list[Example] = []
    left_out: list[int] = []
    without_tab: list[int] = []
    text_at, label_at = 0, 1
    first = True
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = [cell.strip().strip("\ufeff") for cell in line.split("\t")]
        if first:
            first = False
            lowered = [cell.lower().strip('"') for cell in cells]
            columns = [next((i for i, c in enumerate(lowered) if c in names), None) for names in _HEADERS]
            if columns[0] is not None and columns[1] is not None:
                text_at, label_at = columns[0], columns[1]
                continue
        if len(cells) <= max(text_at, label_at):
            without_tab.append(number)
            continue
        text, label = _unquote(cells[text_at]), _unquote(cells[label_at])
        if not text or label.lower() in _NO_LABEL or text.lower() == "nan":
            left_out.append(number)
            continue
        examples.append(Example(text, label, source=f"{path.name}:{number}"))
    if not examples:
        where = f" (line {without_tab[0]} has no tab)" if without_tab else ""
        raise DataFileError(
            f"{path}: holds no `text<TAB>intent` line{where}; separate text and intent by a tab"
        )
    if len(without_tab) > len(examples):
        raise DataFileError(
            f"{path}: {len(without_tab)} lines have no tab, line {without_tab[0]} first; separate by tabs"
        )
    notes = [
        f"{path}: {len(numbers)} line(s) {why} left out (line {', '.join(map(str, numbers[:_SHOWN]))})"
        for numbers, why in ((left_out, "without text or label"), (without_tab, "without a tab"))
        if numbers
    ]
    return DataSet(examples, notes=notes)


def _unquote(cell: str) -> str:
    if len(cell) >= 2 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"').strip()
    return cell
