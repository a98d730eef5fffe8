"""Counts: units, bad rows, clock changes."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actions.traffic.counts import read_counts
from actions.traffic.errors import CountsError, NoDemandError, UnknownUnitError

SHANGHAI = ZoneInfo("Asia/Shanghai")
HEADER = "intersection,lane_group,start,minutes,volume_veh\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "counts.csv"
    path.write_text(text, "utf-8")
    return path


def test_vehicles_become_vehicles_per_hour(tmp_path: Path) -> None:
    counts = read_counts(write(tmp_path, HEADER + "a,N,2026-03-02T08:00,15,100\n"), SHANGHAI)
    assert counts.period_vph("a", time(8), time(9)) == {"N": 400.0}


def test_units_by_column_and_chinese_header(tmp_path: Path) -> None:
    text = "路口,车道组,开始时间,流量,单位,间隔分钟\na,N,2026-03-02 08:00,600,辆/小时,60\na,S,2026-03-02 08:00,30,辆,5\n"
    counts = read_counts(write(tmp_path, text), SHANGHAI)
    assert counts.period_vph("a", time(8), time(9)) == {"N": 600.0, "S": 360.0}


def test_bad_rows_are_left_out_and_reported(tmp_path: Path) -> None:
    rows = [
        "a,N,2026-03-02T08:00,15,100",
        "a,N,2026-03-02T08:15,15,-5",
        "a,N,2026-03-02T08:30,15,99999",
        "a,N,2026-03-02T08:45,15,many",
        "a,N,not a time,15,5",
        "a,N,2026-03-02T08:00,15,100",
        "a,N,2026-03-02T09:00,15,90",
    ]
    report = read_counts(write(tmp_path, HEADER + "\n".join(rows)), SHANGHAI).report
    assert (report.negative, report.absurd, report.unreadable, report.duplicated) == ([3], [4], [5, 6], [7])
    assert report.missing_intervals == 3
    assert report.used == 2
    assert len(report.problems("zh")) == len(report.problems("en")) == 5


def test_clock_changes(tmp_path: Path) -> None:
    rows = "a,N,2026-10-25T02:30,60,10\na,N,2026-03-29T02:30,60,10\na,N,2026-10-25T02:30+01:00,60,10\n"
    counts = read_counts(write(tmp_path, HEADER + rows), ZoneInfo("Europe/Berlin"))
    assert counts.report.clock_change == [2, 3]
    assert counts.report.used == 1


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("a,b\n1,2\n", CountsError, "column intersection is missing"),
        (
            "intersection,lane_group,start,minutes,volume\na,N,2026-03-02T08:00,15,1\n",
            UnknownUnitError,
            "no unit",
        ),
        (
            "intersection,lane_group,start,minutes,volume,unit\na,N,2026-03-02T08:00,15,1,tons\n",
            UnknownUnitError,
            "tons",
        ),
        (HEADER + "a,N,2026-03-02T08:00,7,1\n", CountsError, "5, 15 or 60"),
        (HEADER + "a,N,2026-03-02T08:00,15,-1\n", CountsError, "no usable rows"),
        (HEADER, CountsError, "no usable rows"),
    ],
)
def test_unusable_tables(tmp_path: Path, text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        read_counts(write(tmp_path, text), SHANGHAI)


def test_missing_file_and_zero_demand(tmp_path: Path) -> None:
    with pytest.raises(CountsError, match="no such file"):
        read_counts(tmp_path / "none.csv", SHANGHAI)
    counts = read_counts(write(tmp_path, HEADER + "a,N,2026-03-02T08:00,15,0\n"), SHANGHAI)
    with pytest.raises(NoDemandError):
        counts.period_vph("a", time(8), time(9))
    with pytest.raises(NoDemandError):
        counts.period_vph("nowhere", time(8), time(9))
