from __future__ import annotations

import pytest

from actions.transit.service import TransitService

OPENINGS = {
    "zh": "departures:下一班12路几点 departures:12路在人民广场 departures:2路几点 departures:26路在人民广场几点 stops:我附近 "
    "stops:人民广场附近 line:K12路路线 departures:桃园小区下一班 departures:99路".split(),
    "en": [
        "departures:next bus 12",
        "departures:bus 12 from People's Square",
        "departures:line 2",
        "departures:bus 26 from City Hall",
        "stops:near me",
        "stops:near the Zoo",
        "line:route of the K12",
        "departures:next bus from Taoyuan Estate",
        "departures:bus 99",
    ],
}


def every_button(demo, language, now) -> set[str]:
    found = set()
    for opening in OPENINGS[language]:
        kind, text = opening.split(":")
        for reply in demo.answer(kind, text, now=now, language=language).replies:
            found |= {b.payload for b in reply.buttons}
    return found


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_button_is_a_question_that_leads_on(demo, tuesday, language):
    payloads = every_button(demo, language, tuesday)
    assert len(payloads) > 20
    for payload in payloads:
        query = demo.network.parser.parse(payload, tuesday)
        assert query.lines or query.stop, payload
        assert all(m.lines for m in query.lines), payload
        assert query.stop is None or query.stop.targets, payload
        assert query.when is None, payload
        target = (
            "line"
            if "路线" in payload or "Route" in payload
            else "stops"
            if "附近" in payload or "near" in payload
            else "departures"
        )
        reply = demo.answer(target, payload, now=tuesday, language=language).replies[0]
        if query.lines and query.stop:
            assert reply.source == "transit", (payload, reply.text)


def test_twins_are_told_apart_by_their_code(build, minimal, tuesday):
    stops = "stop_id,stop_name,stop_lat,stop_lon,stop_code\n"
    stops += "S1,和平路,29.00,124.50,11\nS2,火车站,29.02,124.50,\nS3,和平路,29.04,124.50,13\n"
    service = TransitService.load(build({"stops.txt": stops}))
    reply = service.answer("departures", "和平路的下一班", now=tuesday).replies[0]
    assert reply.source == "clarify"
    assert len(reply.buttons) == 2
    for button in reply.buttons:
        assert service.answer("departures", button.payload, now=tuesday).replies[0].source == "transit"
