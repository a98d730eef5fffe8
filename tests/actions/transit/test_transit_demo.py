from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from datetime import date, timedelta
from pathlib import Path

import pytest

from actions.transit import demo_feed, demo_network, validate
from actions.transit.lines import LineIndex

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "actions" / "transit" / "demo"
NAMES = re.compile(r"([\u4e00-\u9fff]+) ([A-Z][A-Za-z' -]+?)(?: \(| ·|$|;)")


def test_shipped_files_are_what_the_generator_writes(tmp_path):
    command = [
        sys.executable,
        "-m",
        "actions.transit.demo_feed",
        "--out",
        str(tmp_path / "a.zip"),
        "--places",
        str(tmp_path / "p.csv"),
    ]
    subprocess.run(command, check=True, cwd=ROOT)
    demo_feed.write_feed(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (tmp_path / "p.csv").read_bytes() == (DEMO / "places.csv").read_bytes()
    # another zlib may pack the same content into other bytes
    with zipfile.ZipFile(tmp_path / "a.zip") as new, zipfile.ZipFile(DEMO / "gtfs.zip") as shipped:
        assert [(i.filename, i.CRC, i.date_time) for i in new.infolist()] == [
            (i.filename, i.CRC, i.date_time) for i in shipped.infolist()
        ]
    assert (DEMO / "gtfs.zip").stat().st_size < 500_000


def test_the_demo_feed_is_valid_and_current():
    assert validate.validate(DEMO / "gtfs.zip", today=date(2026, 1, 1)) == []
    assert validate.validate(DEMO / "gtfs.zip", today=date(2028, 12, 31)) == []


def test_it_has_the_lines_of_the_demo_city(demo_feed):
    lines = LineIndex(demo_feed, ("zh", "en"))
    text = (ROOT / "docs" / "demo-city.md").read_text(encoding="utf-8")
    said = re.search(r"^Lines (.*?)\. Bus fare", text, re.M)
    assert said is not None
    for line in lines.lines:
        assert line.name("zh") in said[1]
    assert len(lines.lines) == len(said[1].split(",")) == 14


def test_places_carry_the_names_of_the_demo_city(demo):
    text = (
        (ROOT / "docs" / "demo-city.md")
        .read_text(encoding="utf-8")
        .split("## Places")[1]
        .split("Streets:")[0]
    )
    wanted = [NAMES.match(part.strip()) for part in text.split("·")]
    names = {(m[1], m[2].strip()) for m in wanted if m}
    assert len(names) > 20
    assert names <= {(p.zh, p.en) for p in demo.network.stops.places}


def test_every_stop_has_both_names_and_a_line(demo):
    for group in demo.network.stops.groups:
        assert group.name("zh") != group.name("en")
        assert demo.network.lines_at(group)


def test_every_day_has_one_timetable(demo_feed):
    wanted = {demo_feed.calendar.ids.index(s) for s in ("WD", "SA", "SU")}
    day = demo_network.FIRST_DAY
    while day <= demo_network.LAST_DAY:
        active = demo_feed.calendar.active(day)
        assert sum(bool(active[n]) for n in wanted) == 1
        day += timedelta(days=1)


def broken(build, changes):
    return validate.validate(build(changes), today=date(2026, 6, 1))


def test_validator_lists_errors_first_in_both_languages(build, minimal):
    late = minimal["stops.txt"] + "S4,远,45.0,100.0\n"
    far = minimal["stop_times.txt"].replace("T1,08:10:00,08:11:00,S2,2", "T1,08:10:00,08:11:00,S4,2")
    many = "".join(f"T1,09:{n}:00,09:{n}:00,S3,{n}\n" for n in range(10, 40))
    changes = {
        "stops.txt": late,
        "stop_times.txt": far + many + "T9,1:00:00,1:00:00,S1,1\n",
        "agency.txt": "agency_name,agency_url,agency_timezone\nA,nowhere,Asia/Shanghai\n",
    }
    notices = broken(build, changes)
    assert [n.severity for n in notices] == sorted(n.severity for n in notices)
    text = validate.as_text(notices, "zh")
    assert "speed" in validate.as_text(notices, "en")
    assert "速度" in text
    assert "agency_url" in text


def test_validator_reports_a_fatal_error_and_expiry(build):
    assert [n.code for n in broken(build, {"stops.txt": None})] == ["missing_file"]
    path = build()
    assert [n.code for n in validate.validate(path, today=date(2027, 1, 1))] == ["expired"]
    assert [n.code for n in validate.validate(path, today=date(2025, 1, 1))] == ["not_yet_valid"]
    extra = "table_name,field_name,language,translation,record_id\nstops,stop_name,en,x,S1\n"
    assert "missing_file" in [n.code for n in broken(build, {"translations.txt": extra})]
    idle = {
        "calendar_dates.txt": "service_id,date,exception_type\nX,20260601,2\n",
        "routes.txt": "route_id,route_short_name,route_type\nR12,12,3\nR13,13,3\n",
    }
    assert {"never_runs", "advice"} == {n.code for n in broken(build, idle)}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_validator_command_line(build, capsys, language):
    assert validate.main([str(build()), "--language", language, "--today", "2026-06-01"]) == 0
    assert "0" in capsys.readouterr().out
    assert validate.main([str(build({"stops.txt": None})), "--language", language]) == 1
    assert "stops.txt" in capsys.readouterr().out
