"""CAP 1.2: what is read, what is refused, and how alerts reach us."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.notices.areas import concerned, inside
from actions.notices.cap import CapArea, parse_cap
from actions.notices.errors import CapError
from actions.notices.records import ACTIVE, CANCELLED, HIDDEN, REPLACED
from actions.notices.sources import links_in, read_all, read_folder
from tests.actions.notices.conftest import CHINESE, ENGLISH, Board, cap, reference

BOMB = b"""<?xml version="1.0"?><!DOCTYPE alert [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>&b;</identifier></alert>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>&x;</identifier></alert>"""


def test_an_alert_is_read() -> None:
    alert = parse_cap(cap())
    assert alert.key == "warn@lanchuan.example,LC-1,2026-11-23T01:00:00Z"
    chinese, english = alert.infos
    assert (chinese.language, english.language) == ("zh-cn", "en-gb")
    assert chinese.instruction == "1. 关好门窗；\n2. *不要*外出 <海边>。"
    assert english.areas[0].desc == "Lingang District"
    assert chinese.expires is not None
    assert chinese.expires.isoformat() == "2026-11-24T00:00:00+00:00"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no well-formed XML"),
        (b"<alert/>", "its root is"),
        (b"\xff\xfe\x00", "no well-formed XML"),
        (BOMB, "entities"),
        (OUTSIDE, "entities"),
        (b"<a>" * 100_000, "no well-formed XML"),
        (cap().replace(b"cap:1.2", b"cap:1.1"), "its root is"),
        (cap().replace(b"<sent>", b"<sent>x"), "sent"),
        (cap(sent="2026-02-30T00:00:00+08:00"), "does not exist"),
        (cap(status="Real"), "status"),
        (cap(kind="Boom"), "msgType"),
        (cap(kind="Update"), "references is missing"),
        (cap(kind="Update", references="x"), "references holds"),
        (cap(infos=()), "info is missing"),
        (cap("with space"), "identifier"),
        (cap(infos=({**CHINESE, "severity": "Terrible"},)), "severity"),
        (cap(infos=({**CHINESE, "area": ""},)), "areaDesc"),
        (cap(infos=({**CHINESE, "shape": "<polygon>1,2 3,4</polygon>"},)), "polygon"),
        (cap(infos=({**CHINESE, "shape": "<polygon>91,2 3,4 5,6 91,2</polygon>"},)), "degrees"),
        (cap(infos=({**CHINESE, "shape": "<circle>nan,2 3</circle>"},)), "no number"),
        (cap(infos=({**CHINESE, "shape": "<circle>1,2</circle>"},)), "circle"),
        (cap(infos=({**CHINESE, "description": "x" * 20_001},)), "characters"),
        (b" " * 1_000_001, "bytes"),
    ],
)
def test_what_is_no_alert_is_refused_by_name(data: bytes, said: str) -> None:
    with pytest.raises(CapError, match=said):
        parse_cap(data)


def test_an_entity_bomb_costs_nothing(board: Board) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "lol">{levels}]><alert>&e11;</alert>'.encode()
    with pytest.raises(CapError, match="entities"):
        board.service.take_in(bomb)


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: cap(text)))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_it_is_an_alert_or_refused(data: bytes) -> None:
    with contextlib.suppress(CapError):
        assert parse_cap(data).identifier


def test_the_same_alert_twice_is_one(board: Board) -> None:
    assert board.service.take_in(cap()) is not None
    assert board.service.take_in(cap()) is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "Test"}, "Test"),
        ({"status": "Exercise"}, "Exercise"),
        ({"scope": "Restricted"}, "Restricted"),
    ],
)
def test_tests_and_what_is_not_public_are_kept_but_not_shown(
    board: Board, fields: dict[str, str], why: str
) -> None:
    made = board.service.take_in(cap(**fields))
    assert made is not None
    assert (made.state, made.why) == (HIDDEN, why)
    assert board.service.banner() == []


def test_a_drill_ends_nothing_real(board: Board) -> None:
    real = board.service.take_in(cap())
    board.service.take_in(cap("LC-9", kind="Cancel", references=reference(), status="Exercise"))
    assert real is not None
    assert board.store.get(real.id).state == ACTIVE


def test_another_sender_cannot_cancel(board: Board) -> None:
    board.service.take_in(cap())
    with pytest.raises(CapError, match="another sender"):
        board.service.take_in(cap("X-1", kind="Cancel", references=reference(), sender="evil@example.org"))


def test_only_senders_of_the_list_are_believed(make_board: Any) -> None:
    board = make_board(cap={"senders": ["warn@lanchuan.example"]})
    assert board.service.take_in(cap()) is not None
    with pytest.raises(CapError, match="not listed"):
        board.service.take_in(cap("X-1", sender="evil@example.org"))


def test_a_cancel_that_comes_first_counts(board: Board) -> None:
    board.service.take_in(cap("LC-3", kind="Cancel", references=reference(), infos=()))
    late = board.service.take_in(cap())
    assert late is not None
    assert late.state == CANCELLED


def test_updates_out_of_order(board: Board) -> None:
    second = cap("LC-2", kind="Update", references=reference())
    third = cap("LC-4", kind="Update", references=f"{reference()} {reference('LC-2')}")
    assert board.service.take_in(third) is not None
    late = board.service.take_in(second)
    first = board.service.take_in(cap())
    assert late is not None
    assert first is not None
    assert [late.state, first.state] == [REPLACED, REPLACED]
    assert len(board.service.banner()) == 1


def test_it_ends_when_it_expires(board: Board) -> None:
    board.service.take_in(cap(infos=({**CHINESE, "expires": ""},)))
    board.clock.move(hours=22)
    assert len(board.service.banner()) == 1
    board.clock.move(hours=2)
    assert board.service.banner() == []


def test_the_gravest_stands_first(board: Board) -> None:
    board.service.take_in(cap("A", infos=({**ENGLISH, "severity": "Extreme", "headline": "worst"},)))
    board.service.take_in(cap("B"))
    assert [notice.severity for notice in board.service.banner()] == ["Extreme", "Severe"]


RING = "29.05,124.45 29.05,124.55 28.95,124.55 28.95,124.45 29.05,124.45"
FAR = "10,10 10,11 11,11 11,10 10,10"


@pytest.mark.parametrize(
    ("area", "shape", "wanted"),
    [
        ("临港区", "", ["lingang"]),
        ("lingang district and the coast", "", ["lingang"]),
        ("澜川市", "", []),
        ("the northern hills", "", []),
        ("somewhere", f"<polygon>{RING}</polygon>", ["zhongxin"]),
        ("somewhere", "<circle>28.9,124.6 1</circle>", ["lingang"]),
        ("somewhere", "<geocode><valueName>C</valueName><value>901</value></geocode>", ["zhongxin"]),
        ("far away", f"<polygon>{FAR}</polygon>", None),
        ("临港区", f"<polygon>{FAR}</polygon>", ["lingang"]),
    ],
)
def test_where_an_alert_holds(board: Board, area: str, shape: str, wanted: list[str] | None) -> None:
    alert = parse_cap(cap(infos=({**CHINESE, "area": area, "shape": shape},)))
    assert concerned(alert.infos[0].areas, board.service.districts, board.service.city) == wanted


def test_an_alert_about_another_place_is_not_shown(board: Board) -> None:
    far = {**CHINESE, "area": "far away", "shape": f"<polygon>{FAR}</polygon>"}
    made = board.service.take_in(cap(infos=(far,)))
    assert made is not None
    assert (made.state, made.why) == (HIDDEN, "elsewhere")


@given(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9), st.floats(1.1, 5), st.floats(-5, 5))
@settings(deadline=None)
def test_inside_a_square(lat: float, lon: float, out: float, any_lon: float) -> None:
    square = [(-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)]
    assert inside((lat, lon), square)
    assert not inside((out, any_lon), square)


def test_a_small_polygon_beside_a_districts_centre_concerns_it(board: Board) -> None:
    ring = [(29.01, 124.51), (29.01, 124.52), (29.02, 124.52), (29.01, 124.51)]
    assert concerned([CapArea("x", [ring])], board.service.districts, ()) == ["zhongxin"]


def test_a_folder_is_read_and_put_away(board: Board, tmp_path: Path) -> None:
    folder = tmp_path / "cap"
    folder.mkdir()
    (folder / "a.xml").write_bytes(cap())
    (folder / "b.cap").write_bytes(BOMB)
    (folder / "note.txt").write_text("no alert")
    (folder / "huge.xml").write_bytes(b"x" * 1_000_001)
    assert read_folder(board.service, folder) == 1
    assert read_folder(board.service, folder) == 0
    assert sorted(file.name for file in folder.iterdir()) == ["note.txt", "refused", "taken"]
    assert "entities" in (folder / "refused" / "b.cap.txt").read_text("utf-8")
    (folder / "a.xml").write_bytes(cap())
    read_folder(board.service, folder)
    assert sorted(file.name for file in (folder / "taken").iterdir()) == ["a-2.xml", "a.xml"]


def test_links_of_a_feed() -> None:
    atom = b"""<feed xmlns="http://www.w3.org/2005/Atom"><link href="https://self.example/"/>
    <entry><link href="https://a.example/1.xml" type="application/cap+xml"/></entry>
    <entry><link href="ftp://a.example/2.xml"/></entry></feed>"""
    rss = b"<rss><channel><link>https://s.example</link><item><link>https://a.example/3</link></item></channel></rss>"
    assert links_in(atom) == ["https://a.example/1.xml"]
    assert links_in(rss) == ["https://a.example/3"]
    assert links_in(cap()) == links_in(BOMB) == links_in(b"x") == []


async def test_addresses_are_asked_and_failures_stop_nobody(make_board: Any, aiohttp_server: Any) -> None:
    async def feed(request: web.Request) -> web.Response:
        base = f"http://{request.host}"
        links = "".join(
            f'<entry><link href="{base}/{name}"/></entry>' for name in ("one", "bad", "gone", "two")
        )
        return web.Response(body=f"<feed>{links}</feed>".encode())

    def gives(data: bytes) -> Any:
        async def handler(request: web.Request) -> web.Response:
            return web.Response(body=data)

        return handler

    app = web.Application()
    app.router.add_get("/feed", feed)
    app.router.add_get("/one", gives(cap("ONE")))
    app.router.add_get("/bad", gives(BOMB))
    app.router.add_get("/two", gives(cap("TWO")))
    app.router.add_get("/huge", gives(b"x" * 1_200_000))
    server = await aiohttp_server(app)
    base = str(server.make_url("/")).rstrip("/")
    board = make_board(cap={"urls": [f"{base}/gone", f"{base}/huge", f"{base}/feed", "http://127.0.0.1:1/"]})
    assert await read_all(board.service, None) == 2
    assert await read_all(board.service, None) == 0
