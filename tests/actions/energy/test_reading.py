import gzip
import json
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actions.energy import errors
from actions.energy.columns import ReadOptions
from actions.energy.ngsi import fetch, read_ngsi
from actions.energy.reading import read_file
from actions.energy.regrid import to_series
from tests.actions.energy.helpers import index, load, office, rows, write

GOOD = rows(index(3), 50 + 10 * np.sin(np.arange(72) / 4))


def read(path: Path, text: str, **options: object):
    return load(write(path / "meter.csv", text), **options)


def test_a_plain_table_keeps_values_and_clock(tmp_path: Path) -> None:
    series = read(tmp_path, GOOD)
    assert len(series) == 72 and series.step_min == 60
    assert series.index[0] == pd.Timestamp("2025-03-03", tz="Asia/Shanghai")
    assert series.quality.notes == []


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        ("time,load_W", 1000),
        ("time,power_MW", 0.001),
        ("time,energy_kwh", 1),
        ("时间,用电量（千瓦时）", 1),
        ("time,consumption MWh", 0.001),
    ],
)
def test_units_are_read_from_the_header(tmp_path: Path, header: str, factor: float) -> None:
    values = (50 + np.arange(72) % 7) * factor
    lines = [header, *(f"{s:%Y-%m-%d %H:%M},{v:.9f}" for s, v in zip(index(3), values, strict=False))]
    assert read(tmp_path, "\n".join(lines)).power_kw == pytest.approx(50 + np.arange(72) % 7)


def test_cumulative_readings_conserve_energy_over_a_gap_and_a_reset(tmp_path: Path) -> None:
    kw = 20 + np.arange(96) % 11
    readings = 1000 + np.concatenate(([0], np.cumsum(kw)))[:96].astype(float)
    readings[60:] -= readings[60] - 3  # a new meter
    stamps = index(4)
    keep = np.r_[0:20, 26:96]
    series = read(tmp_path, rows(stamps[keep], readings[keep], "time,meter_kwh"))
    assert series.quality.count("reset") == 1 and series.quality.count("spread") == 1
    assert np.nansum(series.power_kw[19:26]) == pytest.approx(kw[19:26].sum())
    assert series.power_kw[70] == pytest.approx(kw[70])
    assert series.filled[59] or np.isnan(series.power_kw[59])


def test_a_register_overflow_is_added_up(tmp_path: Path) -> None:
    readings = (99_000 + 40.0 * np.arange(48)) % 100_000
    series = read(tmp_path, rows(index(2), readings, "time,reading_kwh"))
    assert series.quality.count("overflow") == 1
    assert series.power_kw == pytest.approx(np.full(len(series), 40.0))


def test_kwh_that_only_rise_are_taken_for_readings(tmp_path: Path) -> None:
    series = read(tmp_path, rows(index(10), 500 + 7.5 * np.arange(240), "time,energy_kwh"))
    assert series.quality.count("cumulative") == 1 and series.power_kw[5] == pytest.approx(7.5)


def test_duplicates_gaps_disorder_and_negatives_are_reported(tmp_path: Path) -> None:
    stamps, values = index(30), 30 + np.arange(720) % 24 * 1.0
    values[100] = -4
    lines = rows(stamps, values).splitlines()
    body = lines[1:]
    del body[300:302]
    body[5], body[6] = body[6], body[5]
    body.append(body[40].split(",")[0] + ",99")
    series = read(tmp_path, "\n".join([lines[0], *body]))
    report = series.quality
    assert report.count("unsorted") and report.count("duplicates") == 1 and report.count("conflicts") == 1
    assert report.count("negative") == 1 and report.count("gap_short") == 3
    assert len(series) == 720 and series.filled.sum() == 3
    assert all(note.zh and note.en for note in report.notes)


def test_long_gaps_stay_unknown(tmp_path: Path) -> None:
    stamps, values = index(60), np.full(1440, 30.0) + np.arange(1440) % 24
    keep = np.r_[0:240, 700:1440]
    series = read(tmp_path, rows(stamps[keep], values[keep]))
    assert np.isnan(series.power_kw[400]) and series.quality.count("gap_left") == 460


def test_clock_changes_are_told_apart(tmp_path: Path) -> None:
    utc = pd.date_range("2025-10-25 04:00", periods=48, freq="1h", tz="UTC").tz_convert("America/New_York")
    utc = pd.date_range("2025-11-01 04:00", periods=72, freq="1h", tz="UTC").tz_convert("America/New_York")
    series = read(tmp_path, rows(utc, np.arange(72.0) % 20 + 5), zone="America/New_York")
    assert len(series) == 72 and series.quality.count("clock_back") == 1
    assert series.power_kw == pytest.approx(np.arange(72.0) % 20 + 5)


def test_sentinels_and_text_are_missing_not_numbers(tmp_path: Path) -> None:
    lines = rows(index(10), 30 + np.arange(240) % 24 * 1.0).splitlines()
    lines[50] = lines[50].split(",")[0] + ",offline"
    lines[80] = lines[80].split(",")[0] + ",65535"
    lines[90] = lines[90].split(",")[0] + ",--"
    series = read(tmp_path, "\n".join(lines))
    assert series.quality.count("bad_numbers") == 1 and series.quality.count("sentinels") == 1
    assert series.quality.count("gap_short") == 3 and series.power_kw.max() < 60


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("time,load_kw\n2025-01-01 00:00,5\n", errors.TooFewRows),
        ("", errors.TooFewRows),
        ("time,load_kw\n", errors.TooFewRows),
        ("load_kw\n1\n2\n3\n", errors.NoTimeColumn),
        ("time,load\n2025-01-01 00:00,5\n2025-01-01 01:00,6\n", errors.UnknownUnit),
        ("time,a_kw,b_kw\n2025-01-01 00:00,5,6\n2025-01-01 01:00,6,7\n", errors.AmbiguousColumn),
        ("time,temperature\n2025-01-01 00:00,5\n2025-01-01 01:00,6\n", errors.WrongUnit),
        ("time,volume_m3\n2025-01-01 00:00,5\n2025-01-01 01:00,6\n", errors.WrongUnit),
        ("time,load_kw\n2025-01-01 00:00,abc\n2025-01-01 01:00,6\n2025-01-01 02:00,xy\n", (errors.TextInNumbers, errors.NoValueColumn)),
        ("time,load_kw\n01/02/2025 00:00,5\n01/02/2025 01:00,6\n", errors.AmbiguousDates),
        ("time,load_kw\n2025-01-01T00:00+08:00,5\n2025-01-01 01:00,6\n2025-01-01 02:00,6\n", errors.MixedTimeZones),
        ("time,load_kw\n2199-01-01 00:00,5\n2199-01-01 01:00,6\n", errors.FutureStamps),
        ("time,load_kw\n2025-01-01 00:00,-5\n2025-01-01 01:00,-6\n2025-01-01 02:00,-6\n", errors.NegativeValues),
        ("time,energy_kwh\n2025-01-01 00:00,5\n2025-01-01 00:07,6\n2025-01-01 02:00,6\n2025-01-01 02:31,4\n", errors.IrregularStep),
    ],
)  # fmt: skip
def test_bad_files_get_their_named_error(tmp_path: Path, text: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        read(tmp_path, text)
    assert caught.value.text("zh") != caught.value.text("en")  # type: ignore[attr-defined]


def test_power_that_only_rises_is_a_wrong_unit(tmp_path: Path) -> None:
    with pytest.raises(errors.WrongUnit):
        read(tmp_path, rows(index(10), 500 + 7.5 * np.arange(240)))


def test_a_unit_against_the_column_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.WrongUnit):
        read(tmp_path, GOOD, unit="kWh")
    with pytest.raises(errors.WrongUnit):
        read(tmp_path, GOOD, unit="litres")


def test_mostly_text_names_the_row(tmp_path: Path) -> None:
    lines = rows(index(3), np.ones(72) * 5).splitlines()
    lines[10:40] = [line.split(",")[0] + ",n.a.?" for line in lines[10:40]]
    with pytest.raises(errors.TextInNumbers, match="row 11"):
        read(tmp_path, "\n".join(lines), column="load_kw")


def test_all_offsets_are_converted_and_mentioned(tmp_path: Path) -> None:
    stamps = pd.date_range("2025-05-01", periods=48, freq="1h", tz="UTC")
    lines = ["time,load_kw"]
    for k, stamp in enumerate(stamps):
        local = stamp.tz_convert("Asia/Tokyo" if k % 2 else "Asia/Shanghai")
        lines.append(f"{local.isoformat()},{k % 24 + 5}")
    series = read(tmp_path, "\n".join(lines))
    assert (
        series.power_kw == pytest.approx(np.arange(48) % 24 + 5)
        and series.quality.count("mixed_offsets") == 2
    )


@pytest.mark.parametrize(
    "stamp", ["%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M", "%d/%m/%Y %H:%M", "%Y%m%d%H%M", "%Y-%m-%dT%H:%M:%S"]
)
def test_common_notations_of_time(tmp_path: Path, stamp: str) -> None:
    lines = ["time,load_kw", *(f"{s.strftime(stamp)},{k % 24 + 3}" for k, s in enumerate(index(30)))]
    series = read(tmp_path, "\n".join(lines))
    assert series.index[-1] == index(30)[-1] and series.quality.notes == []


def test_epoch_seconds_and_gb18030_and_semicolons(tmp_path: Path) -> None:
    stamps = index(3)
    epoch = ["时间;负荷（千瓦）", *(f"{int(s.timestamp())};{k % 24 + 3},5" for k, s in enumerate(stamps))]
    path = tmp_path / "m.csv"
    path.write_bytes("\n".join(epoch).encode("gb18030"))
    series = load(path)
    assert series.index[0] == stamps[0] and series.power_kw[0] == pytest.approx(3.5)


def test_gzip_parquet_and_midnight_as_24(tmp_path: Path) -> None:
    path = tmp_path / "m.csv.gz"
    text = "date,load_kw\n" + "\n".join(f"2025-03-0{d} {h:02d}:00,{h}" for d in (3, 4) for h in range(1, 25))
    path.write_bytes(gzip.compress(text.encode()))
    assert load(path).index[-1] == pd.Timestamp("2025-03-05", tz="Asia/Shanghai")
    table = pa.table({"ts": pa.array(index(3).to_pydatetime()), "load_kw": np.arange(72.0) % 24 + 1})
    pq.write_table(table, tmp_path / "m.parquet")
    assert load(tmp_path / "m.parquet").power_kw[3] == pytest.approx(4)


def test_a_table_without_times_takes_a_start(tmp_path: Path) -> None:
    text = "load_kwh\n" + "\n".join(str(k % 24 + 1) for k in range(72))
    series = read(tmp_path, text, start="2025-03-03", step_min=60)
    assert series.index[0] == index(1)[0] and len(series) == 72


def _at(hour: int) -> str:
    return f"2025-03-03T0{hour}:00:00Z"


VALUES = (5.0, 6.0, 7.5)
PROPERTY = {"type": "Property", "unitCode": "KWT"}


@pytest.mark.parametrize(
    "document",
    [
        {"id": "u:1", "activePower": {**PROPERTY, "values": [[v, _at(h)] for h, v in enumerate(VALUES)]}},
        {
            "id": "u:1",
            "activePower": [{**PROPERTY, "value": v, "observedAt": _at(h)} for h, v in enumerate(VALUES)],
        },
        [
            {"id": "u:1", "load_kw": {"type": "Property", "value": v, "observedAt": _at(h)}}
            for h, v in enumerate(VALUES)
        ],
    ],
)
def test_ngsi_ld_forms(tmp_path: Path, document: object) -> None:
    path = write(tmp_path / "m.jsonld", json.dumps(document))
    assert load(path).power_kw == pytest.approx([5.0, 6.0, 7.5])


def test_ngsi_ld_that_is_none() -> None:
    with pytest.raises(errors.FileUnreadable):
        read_ngsi(b"{nope", "x", ReadOptions())
    with pytest.raises(errors.NoValueColumn):
        read_ngsi(b'{"id": "x"}', "x", ReadOptions())
    with pytest.raises(errors.SourceUnreachable):
        fetch("file:///etc/hostname")


def test_missing_files_and_zones(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnreadable):
        load(tmp_path / "nothing.csv")
    with pytest.raises(errors.UnknownZone):
        read(tmp_path, GOOD, zone="Mars/Base")
    write(tmp_path / "broken.parquet", "no parquet")
    with pytest.raises(errors.FileUnreadable):
        load(tmp_path / "broken.parquet")


def test_future_rows_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", GOOD)
    series = to_series(read_file(path), now=datetime(2025, 3, 4, 0, 30, tzinfo=timezone.utc))
    assert series.quality.count("future") == 39


def test_ten_million_minutes_in_bounded_memory(tmp_path: Path) -> None:
    count = 10_000_000
    path = tmp_path / "long.parquet"
    schema = pa.schema([("time", pa.timestamp("s")), ("load_kw", pa.float32())])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for begin in range(0, count, 1_000_000):
            stamps = np.arange(begin, begin + 1_000_000, dtype=np.int64) * 60 + 1_000_000_000
            values = (50 + (stamps // 3600) % 24).astype(np.float32)
            writer.write_table(
                pa.table([pa.array(stamps, pa.timestamp("s")), pa.array(values)], schema=schema)
            )
    raw = read_file(path)
    assert raw.rows == count and raw.seconds.nbytes + raw.values.nbytes == 16 * count
    series = to_series(raw)
    assert series.step_min == 15 and len(series) == pytest.approx(count / 15, abs=2)


def test_coarser_steps_keep_the_energy() -> None:
    series = office(7, 15)
    assert series.to_step(60).energy_kwh.sum() == pytest.approx(series.energy_kwh.sum())
    with pytest.raises(errors.BadStep):
        office(7, 60).to_step(15)
