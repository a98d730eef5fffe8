"""Reads measurements from CSV, Parquet and NGSI-LD into plain arrays of times and values, in bounded memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from actions.energy.cells import Numbers, parse_numbers
from actions.energy.columns import Choice, ReadOptions, choose
from actions.energy.errors import (
    BadTimes,
    EnergyError,
    FileUnreadable,
    MixedTimeZones,
    TextInNumbers,
    TooFewRows,
    TooManyRows,
    WrongUnit,
)
from actions.energy.stamps import UNKNOWN, parse_stamps
from actions.energy.units import Quantity, parse_unit

MAX_ROWS = 60_000_000
_BAD_SHARE = 0.2
_DELIMITERS = ",;\t|"


@dataclass
class Measured:
    """Measurements as they came: seconds since 1970 (local wall time unless `aware`), values in kW or kWh."""

    name: str
    seconds: np.ndarray
    values: np.ndarray
    quantity: Quantity
    unit: str
    aware: bool
    temperature_c: np.ndarray | None = None
    rows: int = 0
    bad_numbers: int = 0
    bad_times: int = 0
    skipped_lines: int = 0
    offsets: set[str] = field(default_factory=set)


def read_file(path: Path | str, options: ReadOptions | None = None) -> Measured:
    """Read one measured column of a CSV (plain or .gz), Parquet or NGSI-LD file.

    Args:
        path: the file.
        options: which columns, unit and notation; what is left out is found out or asked for.

    Raises:
        EnergyError: a named subclass says what is wrong with the file.
    """
    path = Path(path)
    options = options or ReadOptions()
    if not path.is_file():
        raise FileUnreadable(str(path), reason=("没有这个文件", "no such file"))
    try:
        suffixes = [s.lower() for s in path.suffixes]
        if ".parquet" in suffixes or ".pq" in suffixes:
            return _read_parquet(path, options)
        if ".json" in suffixes or ".jsonld" in suffixes:
            from actions.energy.ngsi import read_ngsi

            return read_ngsi(path.read_bytes(), path.name, options)
        return _read_csv(path, options)
    except EnergyError as error:
        if not error.where:
            error.where = path.name
            error.args = (error.text("en"),)
        raise
    except (OSError, pa.ArrowException, UnicodeError, csv.Error) as error:
        raise FileUnreadable(path.name, reason=str(error).splitlines()[0][:200]) from error


def _read_parquet(path: Path, options: ReadOptions) -> Measured:
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    head = next(iter(file.iter_batches(batch_size=200)), None)
    if head is None or not head.num_rows:
        raise TooFewRows(rows=0, purpose=("读取", "reading"), needed=2)
    frame = head.to_pandas()
    index = [name for name in frame.index.names if name]
    frame = frame.reset_index() if index else frame
    choice = choose([str(n) for n in frame.columns], frame.astype(str).to_numpy().tolist(), options)
    wanted = [n for n in choice.names if n in names]
    batches = (
        b.to_pandas(ignore_metadata=True) for b in file.iter_batches(batch_size=1 << 18, columns=wanted)
    )
    return _gather(path.stem, batches, choice, options, first_row=1)


def _read_csv(path: Path, options: ReadOptions) -> Measured:
    encoding = _encoding(path)
    with pa.input_stream(str(path), compression="detect") as stream:
        head = stream.read(1 << 16).decode(encoding, errors="replace").lstrip("\ufeff")
    lines = head.splitlines()
    skip = 0
    while skip < len(lines) and (not lines[skip].strip() or lines[skip].lstrip().startswith("#")):
        skip += 1
    if skip >= len(lines):
        raise TooFewRows(rows=0, purpose=("读取", "reading"), needed=2)
    delimiter = max(_DELIMITERS, key=lambda mark: (lines[skip].count(mark), -_DELIMITERS.index(mark)))
    complete = lines[skip:] if len(head) < 1 << 16 else lines[skip:-1]
    rows = [
        [cell.strip() for cell in row]
        for row in csv.reader(io.StringIO("\n".join(complete[:500])), delimiter=delimiter)
    ]
    header, body = rows[0], [row for row in rows[1:] if row]
    headless = all(_is_data(cell) for cell in header if cell)
    if headless:
        body, header = rows, [f"column_{i + 1}" for i in range(len(header))]
    if not body:
        raise TooFewRows(rows=0, purpose=("读取", "reading"), needed=2)
    header = [name or f"column_{i + 1}" for i, name in enumerate(header)]
    if len(set(header)) != len(header):
        header = [name if header.index(name) == i else f"{name}_{i + 1}" for i, name in enumerate(header)]
    choice = choose(header, body, options)
    skipped: list[int] = []

    def on_invalid(row: pa_csv.InvalidRow) -> str:
        skipped.append(1)
        return "skip"

    with pa.input_stream(str(path), compression="detect") as stream:
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(
                use_threads=False,
                block_size=4 << 20,
                skip_rows=skip + (0 if headless else 1),
                column_names=header,
                encoding=encoding,
            ),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=on_invalid),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(choice.names),
                column_types={name: pa.string() for name in choice.names},
                strings_can_be_null=False,
            ),
        )
        comma = delimiter == ";" and "," in "".join(
            row[header.index(choice.value)] for row in body[:50] if len(row) == len(header)
        )
        measured = _gather(
            path.name.split(".")[0],
            (batch.to_pandas() for batch in reader),
            choice,
            options,
            first_row=skip + (1 if headless else 2),
            decimal_comma=comma,
        )
    measured.skipped_lines = len(skipped)
    return measured


def _encoding(path: Path) -> str:
    with pa.input_stream(str(path), compression="detect") as stream:
        head = stream.read(1 << 18)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for encoding in ("utf-8", "gb18030"):
        for cut in range(4):  # the sample may end inside a character
            try:
                head[: len(head) - cut].decode(encoding)
                return encoding
            except UnicodeDecodeError:
                continue
    return "latin-1"


def _is_data(cell: str) -> bool:
    from actions.energy.stamps import looks_like_time

    try:
        float(cell.replace(",", "."))
        return True
    except ValueError:
        return looks_like_time([cell])


def _gather(
    name: str,
    batches: Iterator[pd.DataFrame],
    choice: Choice,
    options: ReadOptions,
    first_row: int,
    decimal_comma: bool = False,
) -> Measured:
    """Parse batch by batch; only two or three arrays of numbers stay in memory."""
    seconds: list[np.ndarray] = []
    values: list[np.ndarray] = []
    warmth: list[np.ndarray] = []
    units: set[str] = set()
    out = Measured(name, np.empty(0), np.empty(0), choice.unit.quantity, choice.unit.label, False)
    aware: bool | None = None
    worst: dict[str, tuple[int, str]] = {}
    for frame in batches:
        row = first_row + out.rows
        numbers = parse_numbers(frame[choice.value], decimal_comma, row)
        out.bad_numbers += numbers.bad
        if numbers.bad:
            worst.setdefault("number", numbers.example)
        units |= numbers.units
        if choice.time:
            cells = frame[choice.time]
            if choice.clock:
                cells = cells.astype(str).str.strip() + " " + _clock(frame[choice.clock])
            stamps = parse_stamps(cells, options.date_order, row, aware)
            if (stamps.seconds != UNKNOWN).any():
                if aware is not None and stamps.aware != aware:
                    raise MixedTimeZones(aware="…+08:00", naive=str(cells.iloc[0]))
                aware = stamps.aware
            out.bad_times += stamps.bad
            if stamps.bad:
                worst.setdefault("time", stamps.example)
            out.offsets |= stamps.offsets
            seconds.append(stamps.seconds)
        values.append(numbers.values)
        if choice.temperature:
            warmth.append(parse_numbers(frame[choice.temperature], decimal_comma).values)
        out.rows += len(frame)
        if out.rows > MAX_ROWS:
            raise TooManyRows(limit=f"{MAX_ROWS:,}")
    return _finish(out, seconds, values, warmth, units, worst, choice, options, bool(aware))


def _finish(
    out: Measured,
    seconds: list[np.ndarray],
    values: list[np.ndarray],
    warmth: list[np.ndarray],
    units: set[str],
    worst: dict[str, tuple[int, str]],
    choice: Choice,
    options: ReadOptions,
    aware: bool,
) -> Measured:
    if out.bad_numbers > _BAD_SHARE * out.rows:
        line, value = worst["number"]
        raise TextInNumbers(
            column=choice.value, share=f"{out.bad_numbers / out.rows:.0%}", line=line, value=value
        )
    if out.bad_times > _BAD_SHARE * out.rows:
        line, value = worst["time"]
        raise BadTimes(column=choice.time, share=f"{out.bad_times / out.rows:.0%}", line=line, value=value)
    _check_cell_units(units, choice)
    out.values = np.concatenate(values) if values else np.empty(0)
    out.values *= choice.unit.to_kilo
    if choice.time:
        out.seconds = np.concatenate(seconds) if seconds else np.empty(0, np.int64)
    else:
        assert options.start is not None and options.step_min is not None
        start = int(np.datetime64(options.start, "s").astype(np.int64))
        out.seconds = start + np.arange(out.rows, dtype=np.int64) * options.step_min * 60
    out.aware = aware
    if warmth:
        out.temperature_c = np.concatenate(warmth)
    return out


def _check_cell_units(units: set[str], choice: Choice) -> None:
    """Refuse numbers such as `12 MWh` in a column of kWh."""
    for text in units:
        unit = parse_unit(text)
        energy = {"energy", "meter"}
        same = unit.quantity == choice.unit.quantity or {unit.quantity, choice.unit.quantity} <= energy
        if not same or unit.to_kilo != choice.unit.to_kilo:
            raise WrongUnit(
                choice.value,
                unit=choice.unit.label,
                reason=(f"单元格里写的是 {text}", f"cells are written in {text}"),
            )


def _clock(cells: pd.Series) -> pd.Series:
    """Return times of day as text; bare numbers are hours."""
    text = cells.astype(str).str.strip()
    return text.where(text.str.contains(":"), text.str.replace(r"\.0$", "", regex=True) + ":00")


__all__ = ["MAX_ROWS", "Measured", "Numbers", "ReadOptions", "read_file"]
