"""Stops, landmarks and lines by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.transit.errors import PlacesError
from actions.transit.feed import load_feed
from actions.transit.lines import LineIndex, mode_of
from actions.transit.places import distance_m, load_places
from actions.transit.stops import StopIndex
from actions.transit.text import compact, fold

LINES = [
    ("12路", "12路"),
    ("12路公交", "12路"),
    ("十二路", "12路"),
    ("二十六路车几点", "26路"),
    ("k12", "K12路"),
    ("K12路", "K12路"),
    ("K１２路", "K12路"),
    ("bus 12", "12路"),
    ("Bus No. 12", "12路"),
    ("no. 12 bus", "12路"),
    ("line 12", "12路"),
    ("route 12 please", "12路"),
    ("bus twelve", "12路"),
    ("number eight bus", "8路"),
    ("when's the next 12?", "12路"),
    ("地铁1号线", "地铁1号线"),
    ("地铁一号线", "地铁1号线"),
    ("1号线", "地铁1号线"),
    ("metro line 1", "地铁1号线"),
    ("Metro 2", "地铁2号线"),
    ("机场快线", "机场快线"),
    ("機場快線", "机场快线"),
    ("the Airport Express", "机场快线"),
    ("airportexpress", "机场快线"),
    ("坐5路能到吗", "5路"),
    ("12呢", "12路"),
    ("and the 18", "18路"),
    ("那二十路咧", "20路"),
    ("公交8路", "8路"),
]

NOT_LINES = [
    "112路",
    "人民路1号",
    "人民路12号附近",
    "在3路口等",
    "一路顺风",
    "我一路上",
    "bus at 12:30",
    "next bus 12:30",
    "五一路站",
    "中山二路",
    "any buses after 11 pm",
    "in 20 minutes",
    "within 500 metres",
    "搭几号车",
    "12点",
    "12元",
    "",
    "🚌",
    "12:05",
]


@pytest.fixture(scope="module")
def lines(demo) -> LineIndex:
    return demo.network.lines


@pytest.mark.parametrize(("text", "name"), LINES)
def test_lines_in_free_text(lines, text, name):
    mentions = lines.find(fold(text))
    assert [[line.name("zh") for line in m.lines] for m in mentions] == [[name]]


@pytest.mark.parametrize("text", NOT_LINES)
def test_no_line_where_none_is_meant(lines, text):
    assert all(not m.lines for m in lines.find(fold(text)))


@pytest.mark.parametrize("text", ["99路", "bus 99", "地铁9号线", "112路"])
def test_unknown_lines_are_reported_as_such(lines, text):
    assert [m.lines for m in lines.find(fold(text))] == [()]


def test_line_2_is_bus_or_metro_and_words_decide(lines):
    assert {line.name("en") for line in lines.find("line 2")[0].lines} == {"Bus 2", "Metro Line 2"}
    assert [line.name("en") for line in lines.find("bus line 2")[0].lines] == ["Bus 2"]
    assert [line.name("en") for line in lines.find(fold("2号线"))[0].lines] == ["Metro Line 2"]


def test_every_line_is_found_under_its_own_names(lines):
    for line in lines.lines:
        for name in line.names.values():
            assert [m.lines for m in lines.find(fold(f"从人民广场坐{name}"))] == [(line,)]
            assert lines.by_name(name) == (line,)


def test_bare_codes_get_their_word(build):
    routes = "route_id,route_short_name,route_long_name,route_type\nR12,110N,,3\n"
    index = LineIndex(load_feed(build({"routes.txt": routes})), ("zh", "en"))
    assert index.lines[0].names == {"zh": "110N路", "en": "Bus 110N"}
    assert index.find("bus 110n")[0].lines
    assert index.find("the 110n to town")[0].lines
    assert not index.find("bus 110")[0].lines


def test_long_names_serve_where_there_is_no_short_one(build):
    routes = "route_id,route_short_name,route_long_name,route_type\nR12,,滨海观光线,3\n"
    index = LineIndex(load_feed(build({"routes.txt": routes})), ("zh", "en"))
    assert index.find(fold("濱海觀光線幾點"))[0].lines == (index.lines[0],)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (0, "tram"),
        (1, "metro"),
        (2, "rail"),
        (3, "bus"),
        (4, "ferry"),
        (11, "bus"),
        (109, "rail"),
        (401, "metro"),
        (700, "bus"),
        (900, "tram"),
        (1000, "ferry"),
        (1700, "bus"),
    ],
)
def test_route_types(kind, mode):
    assert mode_of(kind) == mode


STOPS = [
    ("人民广场", "人民广场"),
    ("人民广场站", "人民广场"),
    ("人民廣場", "人民广场"),
    ("renmin guangchang", "人民广场"),
    ("RenMinGuangChang", "人民广场"),
    ("People's Square", "人民广场"),
    ("peoples square", "人民广场"),
    ("People’s Sq", "人民广场"),
    ("图书馆", "市图书馆"),
    ("the library", "市图书馆"),
    ("科技园北门", "科技园北门"),
    ("第一人民医院", "市第一人民医院"),
    ("first peoples hospital", "市第一人民医院"),
    ("TCM hospital", "市中医院"),
    ("火车站", "火车站"),
    ("Railway Station", "火车站"),
    ("Sports Center", "体育中心"),
    ("飞机场", "澜川机场"),
    ("convention center", "会展中心"),
]


@pytest.mark.parametrize(("said", "name"), STOPS)
def test_stops_and_landmarks_in_free_text(demo, said, name):
    for text in (f"在{said}等车", f"next bus at {said}?"):
        found = demo.network.stops.find_in(fold(text))
        assert {demo.network.stops.name(t, "zh") for f in found for t in f.targets} == {name}


@pytest.mark.parametrize(
    ("typo", "name"),
    [
        ("人民光场", "人民广场"),
        ("renmin guangchan", "人民广场"),
        ("libary", "市图书馆"),
        ("长途气车站", "长途汽车站"),
        ("Botanicl Garden", "植物园"),
    ],
)
def test_misspelt_names_rank_first(demo, typo, name):
    assert demo.network.stops.name(demo.network.stops.search(typo)[0].target, "zh") == name


@pytest.mark.parametrize("text", ["坐火车", "carpark", "the nextbus", "公交"])
def test_names_respect_word_boundaries(demo, text):
    assert demo.network.stops.find_in(fold(text)) == []


def test_poles_and_platforms_of_one_name_nearby_are_one_stop(demo):
    group = demo.network.stops.by_code("1001")
    assert group is not None
    assert group.name("en") == "People's Square"
    assert len(group.members) == 4
    assert demo.network.stops.group(group.key) is group


def test_same_name_far_apart_stays_apart(build):
    stops = "stop_id,stop_name,stop_lat,stop_lon,stop_code\n"
    stops += "S1,和平路,29.00,124.50,11\nS2,和平路,29.05,124.50,12\nS3,码头,29.04,124.50,\n"
    index = StopIndex(load_feed(build({"stops.txt": stops})), [], ("zh", "en"))
    assert len(index.groups) == 3
    assert len(index.find_in("和平路")[0].targets) == 2
    assert index.by_code("12").members == (1,)


def test_nearest_is_sorted_and_in_metres(demo):
    stops = demo.network.stops
    found = stops.nearest(29.0, 124.5, radius_m=800, limit=5)
    assert found[0][0].name("zh") == "人民广场"
    assert [m for _, m in found] == sorted(m for _, m in found)
    assert found[-1][1] <= 800
    assert stops.nearest(-29.0, 0.0, radius_m=800, limit=5) == []
    assert distance_m(29, 124, 30, 124) == pytest.approx(111_195, rel=1e-3)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_distance_is_a_metric_on_the_sphere(a, b, c, d):
    there = distance_m(a, b, c, d)
    assert 0 <= there <= 20_037_600
    assert there == pytest.approx(distance_m(c, d, a, b), abs=1e-3)


@given(st.text(max_size=60))
def test_folding_is_stable_and_compact_points_back(text):
    folded = fold(text)
    form = compact(folded)
    assert len(form.text) == len(form.at) == len(form.opens) == len(form.closes)
    assert all(folded[at] == char for at, char in zip(form.at, form.text, strict=True))


@pytest.mark.parametrize(
    ("content", "says"),
    [("a,b\n", "header lacks"), ("name_zh,name_en,lat,lon\nx,y,91,1\n", "line 2"), ("name_zh,name_en,lat,lon\n,,1,1\n", "no name"),
     ("name_zh,name_en,lat,lon\nx,y\n", "no position"), (b"\xff\xfe\x00", "UTF-8")],
)  # fmt: skip
def test_broken_places_tables(tmp_path, content, says):
    path = tmp_path / "places.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PlacesError, match=says):
        load_places(path)
    with pytest.raises(PlacesError, match="no such file"):
        load_places(tmp_path / "none.csv")
