from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actions.transit import cache, errors
from actions.transit.departures import boarding_rows, next_departures, on_service_day
from actions.transit.feed import load_feed
from actions.transit.source import Limits

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 11, 23)


def times(feed, stop: str, day: date = MONDAY) -> list[str]:
    index = next(n for n, s in enumerate(feed.stops) if s.stop_id == stop)
    return [f"{d.when:%d %H:%M}" for d in on_service_day(feed, boarding_rows(feed, [index]), day)]


@pytest.mark.parametrize("as_zip", [True, False])
def test_loads_zip_and_folder(build, as_zip):
    feed = load_feed(build(as_zip=as_zip))
    assert [s.name for s in feed.stops] == ["人民广场", "火车站", "码头"]
    assert feed.notices == []
    assert times(feed, "S2") == ["23 08:11", "24 00:40"]
    assert feed.coverage() == (date(2026, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize(
    ("encoding", "warned"), [("utf-8-sig", False), ("utf-16", True), ("gb18030", True), ("utf-8", False)]
)
def test_encodings(build, minimal, encoding, warned):
    feed = load_feed(build({"stops.txt": minimal["stops.txt"].encode(encoding)}))
    assert feed.stops[0].name == "人民广场"
    assert [n.code for n in feed.notices] == (["encoding"] if warned else [])


def test_western_encoding_is_not_taken_for_chinese(build, minimal):
    text = (
        minimal["stops.txt"]
        .replace("人民广场", "Gare d'Orléans à Besançon")
        .replace("火车站", "b")
        .replace("码头", "c")
    )
    feed = load_feed(build({"stops.txt": text.encode("cp1252")}))
    assert feed.stops[0].name == "Gare d'Orléans à Besançon"


def test_line_endings_quotes_spaces_extra_columns_and_blank_lines(build):
    stops = "extra, stop_id ,stop_name,stop_lat,stop_lon\r\n"
    stops += (
        'x,S1,"人民\n广场",29.0,124.5\r\n\r\n ,S2, "a ""b""" , 29.1 ,124.5\r\ny,S3,码头,29.2,124.5,more\r\n'
    )
    feed = load_feed(build({"stops.txt": stops, "shapes.txt": "nonsense", "notes.md": "x"}))
    assert [s.name for s in feed.stops] == ["人民\n广场", 'a "b"', "码头"]


def test_tables_in_a_sub_folder_are_read_with_a_warning(build, minimal, tmp_path):
    target = tmp_path / "n.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in minimal.items():
            archive.writestr(f"feed/{name}", text)
            archive.writestr(f"__MACOSX/feed/{name}", "junk")
    assert [n.code for n in load_feed(target).notices] == ["nested_folder"]


def test_calendar_dates_alone_and_exceptions(build):
    alone = "service_id,date,exception_type\nW,20261123,1\nW,20261125,1\n"
    feed = load_feed(build({"calendar.txt": None, "calendar_dates.txt": alone}))
    assert times(feed, "S1") == ["23 08:00"]
    assert times(feed, "S1", date(2026, 11, 24)) == []
    feed = load_feed(
        build({"calendar_dates.txt": "service_id,date,exception_type\nW,20261123,2\nW,20261122,1\n"})
    )
    assert times(feed, "S1") == []
    assert times(feed, "S1", date(2026, 11, 22)) == ["22 08:00"]
    assert feed.calendar.differs_from_week(MONDAY)
    assert not feed.calendar.differs_from_week(date(2026, 11, 24))


def test_blank_times_are_spread_evenly_or_by_distance(build, minimal):
    even = minimal["stop_times.txt"].replace("08:10:00,08:11:00", ",")
    feed = load_feed(build({"stop_times.txt": even}))
    row = boarding_rows(feed, [1], direction=0)
    found = on_service_day(feed, row, MONDAY)
    assert f"{found[0].when:%H:%M}" == "08:10"
    assert found[0].approximate
    head, *rows = even.strip().split("\n")
    far = [f"{r},{d}" for r, d in zip(rows, [0, 9, 10, 0, 5, 10], strict=True)]
    feed = load_feed(build({"stop_times.txt": "\n".join([head + ",shape_dist_traveled", *far])}))
    assert f"{on_service_day(feed, boarding_rows(feed, [1], direction=0), MONDAY)[0].when:%H:%M}" == "08:18"


def test_departure_waits_before_a_blank_stretch(build):
    rows = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
    rows += "T1,08:00:00,08:20:00,S1,1\nT1,,,S2,2\nT1,08:40:00,08:40:00,S3,3\nT2,9:00:00,9:00:00,S3,1\nT2,9:10:00,,S1,2\n"
    feed = load_feed(build({"stop_times.txt": rows}))
    assert times(feed, "S2") == ["23 08:30"]
    assert times(feed, "S3") == ["23 09:00"]


def test_no_boarding_where_pickup_type_says_so_nor_at_the_last_stop(build, minimal):
    head, *rows = minimal["stop_times.txt"].strip().split("\n")
    kinds = ["0", "1", "0", "", "2", "0"]
    text = "\n".join([head + ",pickup_type", *(f"{r},{k}" for r, k in zip(rows, kinds, strict=True))])
    feed = load_feed(build({"stop_times.txt": text}))
    assert times(feed, "S2") == ["24 00:40"]
    assert times(feed, "S1") == ["23 08:00"]


def test_no_destination_where_one_cannot_get_off(build, minimal):
    head, *rows = minimal["stop_times.txt"].strip().split("\n")
    text = "\n".join([head + ",drop_off_type", *(f"{r},{k}" for r, k in zip(rows, "010000", strict=True))])
    feed = load_feed(build({"stop_times.txt": text}))
    assert len(boarding_rows(feed, [0], to_stops=[1])) == 0
    assert len(boarding_rows(feed, [0], to_stops=[2])) == 1


def test_frequencies(build):
    freq = "trip_id,start_time,end_time,headway_secs,exact_times\nT1,07:00:00,07:31:00,600,1\nT2,24:00:00,25:00:00,1800,0\n"
    feed = load_feed(build({"frequencies.txt": freq}))
    assert times(feed, "S1") == ["23 07:00", "23 07:10", "23 07:20", "23 07:30"]
    assert times(feed, "S2")[:2] == ["23 07:11", "23 07:21"]
    night = next_departures(
        feed, boarding_rows(feed, [1]), datetime(2026, 11, 24, 0, 20, tzinfo=SHANGHAI), limit=1
    )
    assert f"{night[0].when:%d %H:%M}" == "24 00:40"
    assert night[0].service_day == MONDAY
    assert night[0].approximate


def test_translations_by_record_by_value_and_old_form(build):
    info = "feed_publisher_name,feed_publisher_url,feed_lang,feed_start_date,feed_end_date\n测试公交,https://a.example,zh,20260301,20260930\n"
    new = (
        "table_name,field_name,language,translation,record_id,record_sub_id,field_value\n"
        "stops,stop_name,en,Square (record),S1,,\nstops,stop_name,en,Square (value),,,人民广场\n"
        "stops,stop_name,en-GB,Pier,,,码头\ntrips,trip_headsign,en,To the Pier,,,码头\n"
        "routes,route_short_name,en,Line Twelve,R12,,\nfeed_info,feed_publisher_name,en,Test Bus,,,\n"
    )
    feed = load_feed(build({"translations.txt": new, "feed_info.txt": info}))
    assert feed.stop_name(0, "en") == "Square (record)"
    assert feed.stop_name(2, "en") == "Pier"
    assert feed.stop_name(2, "fr") == "码头"
    assert feed.stop_name(1, "en") == "火车站"
    assert feed.headsign(0, "en") == "To the Pier"
    assert feed.route_name(0, "route_short_name", "en") == "Line Twelve"
    assert feed.coverage() == (date(2026, 3, 1), date(2026, 9, 30))
    old = "trans_id,lang,translation\n人民广场,en,Square\n"
    assert load_feed(build({"translations.txt": old})).stop_name(0, "en") == "Square"


def test_stop_headsigns_and_missing_headsigns(build, minimal):
    trips = "route_id,service_id,trip_id\nR12,W,T1\nR12,W,T2\n"
    head, *rows = minimal["stop_times.txt"].strip().split("\n")
    signed = "\n".join(
        [
            head + ",stop_headsign",
            *(f"{r},{s}" for r, s in zip(rows, ["经火车站", "", "", "", "", ""], strict=True)),
        ]
    )
    translated = "table_name,field_name,language,translation,record_id,record_sub_id\nstop_times,stop_headsign,en,via Station,T1,1\n"
    feed = load_feed(build({"trips.txt": trips, "stop_times.txt": signed, "translations.txt": translated}))
    assert [feed.headsign(r, "zh") for r in range(4)] == ["经火车站", "码头", "码头", "人民广场"]
    assert feed.headsign(0, "en") == "via Station"


def test_fares(build):
    attributes = "fare_id,price,currency_type,payment_method,transfers\na,2,CNY,0,0\nb,5.5,CNY,0,0\n"
    feed = load_feed(
        build({"fare_attributes.txt": attributes, "fare_rules.txt": "fare_id,route_id\na,R12\nb,R12\n"})
    )
    assert (feed.fares[0].low, feed.fares[0].high) == (2, 5.5)


WEEK = "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
CALLS = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"

BROKEN = [
    ({"agency.txt": None}, errors.FeedMissingFile, "agency.txt"),
    ({"stops.txt": None}, errors.FeedMissingFile, "stops.txt"),
    ({"trips.txt": None}, errors.FeedMissingFile, "trips.txt"),
    ({"stop_times.txt": None}, errors.FeedMissingFile, "stop_times.txt"),
    ({"calendar.txt": None}, errors.FeedMissingFile, "calendar.txt"),
    ({"stops.txt": ""}, errors.FeedEmpty, "stops.txt"),
    ({"stops.txt": "stop_id,stop_name,stop_lat,stop_lon\n"}, errors.FeedEmpty, "stops.txt"),
    ({"stops.txt": "id,name\n1,2\n"}, errors.FeedMissingColumn, "stop_id"),
    ({"stop_times.txt": "trip_id,arrival_time\nT1,08:00:00\n"}, errors.FeedMissingColumn, "departure_time"),
    (
        {"agency.txt": "agency_name,agency_url,agency_timezone\nA,b,Mars/Base\n"},
        errors.FeedBadValue,
        "Mars/Base",
    ),
    (
        {"agency.txt": "agency_name,agency_url,agency_timezone\nA,b,../../etc/passwd\n"},
        errors.FeedBadValue,
        "agency_timezone",
    ),
    ({"stops.txt": 'stop_id,stop_name,stop_lat,stop_lon\nS1,"open,1,2\n'}, errors.FeedBadRow, "line 2"),
    ({"stops.txt": "stop_id,stop_name,stop_lat,stop_lon\nS1,a\0b,1,2\n"}, errors.FeedBadRow, "stops.txt"),
    (
        {"stops.txt": "stop_id,stop_name,stop_lat,stop_lon\nS1," + "x" * 200_000 + ",1,2\n"},
        errors.FeedBadRow,
        "stops.txt",
    ),
    ({"trips.txt": "route_id,service_id,trip_id\nR99,W,T1\n"}, errors.FeedUnknownReference, "R99"),
    ({"trips.txt": "route_id,service_id,trip_id\nR12,Q,T1\n"}, errors.FeedUnknownReference, "'Q'"),
    ({"calendar.txt": WEEK + "W,1,1,1,1,1,0,0,2026-01-01,20261231\n"}, errors.FeedBadValue, "start_date"),
    ({"stop_times.txt": CALLS + "T1,8h,8h,S1,1\nT1,9h,9h,S2,2\n"}, errors.FeedBadValue, "8h"),
    ({"stop_times.txt": CALLS + "T1,08:00:00,08:00:00,S1,1\n"}, errors.FeedShortTrip, "T1"),
    ({"stop_times.txt": CALLS + "T1,,,S1,1\nT1,08:00:00,,S2,2\n"}, errors.FeedNoTimes, "T1"),
    (
        {"stop_times.txt": CALLS + "T1,09:00:00,09:00:00,S1,1\nT1,08:00:00,08:00:00,S2,2\n"},
        errors.FeedBackwards,
        "T1",
    ),
]


@pytest.mark.parametrize(("changes", "kind", "named"), BROKEN, ids=lambda v: getattr(v, "__name__", None))
def test_broken_feeds_raise_named_errors_with_a_mend_in_both_languages(build, changes, kind, named):
    with pytest.raises(kind) as caught:
        load_feed(build(changes))
    assert named in str(caught.value)
    error = caught.value
    assert error.mend_en.split("{")[0] in error.text("en")
    assert error.mend_zh.split("{")[0] in error.text("zh")


def test_a_few_bad_rows_are_left_out_and_noted_unless_strict(build, minimal):
    good = "".join(f"T1,08:{n:02d}:00,08:{n:02d}:00,S2,{n}\n" for n in range(21, 50))
    bad = "T9,08:00:00,08:00:00,S1,1\nT1,08:60:00,08:60:00,S1,60\n"
    folder = build({"stop_times.txt": minimal["stop_times.txt"] + good + bad})
    feed = load_feed(folder)
    assert [(n.code, n.error.line) for n in feed.notices] == [
        ("unknown_reference", 37),
        ("bad_value", 38),
        ("bad_value", 38),
    ]
    assert len(feed.row_trip) == 6 + 29
    with pytest.raises(errors.FeedUnknownReference):
        load_feed(folder, strict=True)


def test_unusable_coordinates_parents_and_zones_do_not_lose_departures(build):
    stops = (
        "stop_id,stop_name,stop_lat,stop_lon,parent_station,stop_timezone,location_type\n"
        "S1,人民广场,north,124.5,,,\nS2,火车站,0,0,nowhere,,9\nS3,码头,29.0,124.5,,Mars/X,\nX,x,95,1,,,\n"
    )
    feed = load_feed(build({"stops.txt": stops}))
    assert times(feed, "S1") == ["23 08:00"]
    assert {n.code for n in feed.notices} == {"bad_value", "unknown_reference", "advice"}


def test_archives_that_are_damaged(build, tmp_path):
    whole = build(as_zip=True).read_bytes()
    for name, data in {"empty": b"", "text": b"no zip", "half": whole[: len(whole) // 2]}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(errors.FeedArchiveError):
            load_feed(tmp_path / name)
    flipped = bytearray(whole)
    at = whole.index(b"stops.txt") + 20
    flipped[at] ^= 0xFF
    (tmp_path / "flipped").write_bytes(flipped)
    with pytest.raises(errors.FeedError):
        load_feed(tmp_path / "flipped")
    with pytest.raises(errors.FeedNotFound):
        load_feed(tmp_path / "missing.zip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(errors.FeedMissingFile):
        load_feed(tmp_path / "folder")


def test_bombs_and_limits(build, minimal, tmp_path):
    bomb = build({"stops.txt": minimal["stops.txt"] + "\n" * 5_000_000}, as_zip=True)
    with pytest.raises(errors.FeedTooLarge):
        load_feed(bomb, limits=Limits(table_bytes=1 << 20))
    with pytest.raises(errors.FeedTooLarge):
        load_feed(bomb, limits=Limits(total_bytes=1 << 20))
    with pytest.raises(errors.FeedTooLarge):
        load_feed(build(), limits=Limits(rows=3))
    # a member whose stated size is a lie
    data = bytearray(bomb.read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        size = archive.getinfo("stops.txt").file_size
    lie = bytes(data).replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    (tmp_path / "lie.zip").write_bytes(lie)
    with pytest.raises(errors.FeedError):
        load_feed(tmp_path / "lie.zip", limits=Limits(table_bytes=1 << 20))


def test_cache_gives_the_same_feed_and_survives_damage(build, tmp_path, minimal):
    bad = (
        minimal["stop_times.txt"]
        + "".join(f"T1,08:{n}:00,08:{n}:00,S2,{n}\n" for n in range(21, 60))
        + "T9,1:00:00,1:00:00,S1,1\n"
    )
    freq = "trip_id,start_time,end_time,headway_secs\nT1,07:00:00,08:00:00,600\n"
    folder = build(
        {
            "stop_times.txt": bad,
            "frequencies.txt": freq,
            "calendar_dates.txt": "service_id,date,exception_type\nW,20261123,2\n",
        }
    )
    plain = load_feed(folder)
    first = load_feed(folder, cache_dir=tmp_path)
    kept = list(tmp_path.iterdir())
    assert len(kept) == 1
    second = load_feed(folder, cache_dir=tmp_path)
    for feed in (first, second):
        for name in cache.ARRAYS:
            assert (getattr(feed, name) == getattr(plain, name)).all()
        assert (feed.stops, feed.routes, feed.frequencies, feed.calendar) == (
            plain.stops, plain.routes, plain.frequencies, plain.calendar)  # fmt: skip
        assert [n.text("zh") for n in feed.notices] == [n.text("zh") for n in plain.notices]
        assert times(feed, "S1", date(2026, 11, 24)) == times(plain, "S1", date(2026, 11, 24))
    (kept[0] / "row_trip.npy").write_bytes(b"junk")
    assert times(load_feed(folder, cache_dir=tmp_path), "S1", date(2026, 11, 24))
    (kept[0] / "tables.json").write_text("{}")
    assert times(load_feed(folder, cache_dir=tmp_path), "S1", date(2026, 11, 24))
    blocked = tmp_path / "file"
    blocked.write_text("x")
    assert load_feed(folder, cache_dir=blocked / "sub").stops


def test_cache_key_follows_the_content(build, tmp_path, minimal):
    a = build()
    load_feed(a, cache_dir=tmp_path)
    (a / "stops.txt").write_text(minimal["stops.txt"].replace("码头", "新码头"), encoding="utf-8")
    assert load_feed(a, cache_dir=tmp_path).stops[2].name == "新码头"


def test_two_agencies_in_different_zones_are_noted(build):
    two = "agency_id,agency_name,agency_url,agency_timezone\nA,a,http://a.example,Asia/Shanghai\nB,b,http://b.example,Asia/Tokyo\n"
    feed = load_feed(build({"agency.txt": two}))
    assert [n.code for n in feed.notices] == ["bad_value"]
    assert feed.zone == SHANGHAI


def test_stop_timezone_is_for_display_only(build):
    stops = (
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station,stop_timezone\n"
        "P,口岸,29,124,1,,Asia/Tokyo\nS1,口岸,29,124,0,P,\nS2,火车站,29.1,124,0,,\nS3,码头,29.2,124,0,,\n"
    )
    feed = load_feed(build({"stops.txt": stops}))
    assert times(feed, "S1") == ["23 09:00"]
    assert times(feed, "S2") == ["23 08:11", "24 00:40"]


def test_not_every_path_is_a_feed(tmp_path: Path):
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(errors.FeedArchiveError):
        load_feed(tmp_path / "x.txt")
