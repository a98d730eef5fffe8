"""Fitting replies: dialects, splitting, choices, segments."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.choices import chosen, may_choose
from channels.fitting.fit import fit, short_payload
from channels.fitting.markdown import DIALECTS, blocks
from channels.fitting.shape import PLAIN, Shape, Unit
from channels.fitting.sms import segments, thrifty
from channels.fitting.split import split_text
from channels.records import StoredMessage
from city.messages import Button, Citation, Reply

SOURCE = "**开放时间** a_b\n\n- 周一 *闭馆*\n- 周日 `9–17`\n\n见 [网页](https://x.example/?a=1&b=2)<b>。"


def shown(dialect: str) -> str:
    return "\n".join(block.text for block in blocks(SOURCE, DIALECTS[dialect]))


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("plain", "开放时间 a_b\n• 周一 闭馆\n• 周日 9–17\n见 网页（https://x.example/?a=1&b=2）<b>。"),
        (
            "telegram",
            "<b>开放时间</b> a_b\n• 周一 <i>闭馆</i>\n• 周日 <code>9–17</code>\n"
            '见 <a href="https://x.example/?a=1&amp;b=2">网页</a>&lt;b&gt;。',
        ),
        (
            "slack",
            "*开放时间* a_b\n• 周一 _闭馆_\n• 周日 `9–17`\n见 <https://x.example/?a=1&b=2|网页>&lt;b&gt;。",
        ),
        (
            "markdown",
            "**开放时间** a\\_b\n- 周一 *闭馆*\n- 周日 `9–17`\n见 [网页](https://x.example/?a=1&b=2)\\<b\\>。",
        ),
        (
            "wechat",
            '开放时间 a_b\n• 周一 闭馆\n• 周日 9–17\n见 <a href="https://x.example/?a=1&amp;b=2">网页</a><b>。',
        ),
    ],
)
def test_dialects(dialect: str, expected: str) -> None:
    assert shown(dialect) == expected


def test_sentences_stay_whole() -> None:
    text = "第一句话。第二句话！“第三句？”He said 3.5 km. The end."
    for limit in (12, 15, 20):
        pieces = split_text(text, limit)
        assert all(len(piece) <= limit for piece in pieces)
    assert split_text(text, 12)[0] == "第一句话。第二句话！"
    assert "3.5" in " ".join(split_text(text, 15))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(st.sampled_from("字词。！？，. \nab1👨‍👩‍👧é"), max_size=300),
    st.integers(12, 60),
    st.sampled_from(list(Unit)),
)
def test_pieces_fit_and_lose_nothing(text: str, limit: int, unit: Unit) -> None:
    pieces = split_text(text, limit, unit)
    joined = "".join("".join(pieces).split())
    assert joined == "".join(text.split())
    assert all(piece.strip() == piece and piece for piece in pieces)
    # One joined emoji may be longer than a very short limit; it is not torn.
    assert all(unit.count(piece) <= max(limit, unit.count("👨‍👩‍👧👨‍👩‍👧")) for piece in pieces)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=400), st.sampled_from(sorted(DIALECTS)), st.integers(40, 200))
def test_any_markdown_fits_any_dialect(text: str, dialect: str, limit: int) -> None:
    reply = Reply(text, "knowledge", buttons=(Button("是", "y"),), citations=(Citation("a", "标题", "/a"),))
    shape = Shape(dialect, limit, max_parts=50)
    parts = fit([reply], shape, public_url="https://c.example", message_id="m")
    assert parts == fit([reply], shape, public_url="https://c.example", message_id="m")
    assert all(len(part.text) <= limit for part in parts)


def test_numbers_go_on_over_several_replies() -> None:
    replies = [
        Reply("一", "clarify", buttons=(Button("甲", "a"),)),
        Reply("二", "clarify", buttons=(Button("乙", "b"),)),
    ]
    texts = [part.text for part in fit(replies, PLAIN, language="en")]
    assert "1. 甲" in texts[0]
    assert "2. 乙" in texts[1]
    assert "Reply with a number" in texts[1]


def test_what_is_too_long_is_cut_with_a_word() -> None:
    parts = fit([Reply("句子。" * 500, "knowledge")], Shape(limit=50, max_parts=3))
    assert len(parts) == 3
    assert parts[-1].text.endswith("其余略）")
    assert len(parts[-1].text) <= 50


def history(*replies: Reply) -> list[StoredMessage]:
    return [StoredMessage("m1", "问", "zh", replies, datetime(2026, 1, 1))]


CHOICE = Reply("哪个？", "clarify", buttons=(Button("甲", "/a"), Button("乙", "/b")))


@pytest.mark.parametrize("said", ["2", "回复2", " ２ ", "reply 2", "选 2", "第二个", "二", "2.", "Option 2"])
def test_a_number_is_a_choice(said: str) -> None:
    assert may_choose(said, PLAIN)
    button = chosen(said, history(CHOICE), PLAIN)
    assert button is not None and button.payload == "/b"


@pytest.mark.parametrize("said", ["3", "0", "12路", "2 people", "~9@00000000", "110"])
def test_what_is_no_choice_stays_what_it_is(said: str) -> None:
    assert chosen(said, history(CHOICE), PLAIN) is None


def test_a_title_is_a_choice_where_buttons_say_it() -> None:
    shape = Shape(buttons=5, title_limit=3, says_titles=True)
    asked = Reply("哪个？", "clarify", buttons=(Button("甲", "/a"), Button("乙丙丁戊", "/b")))
    assert may_choose("甲", shape) and not may_choose("甲", PLAIN)
    picked = [chosen(said, history(asked), shape) for said in ("甲", "乙丙…", "2", "丙")]
    assert [button and button.payload for button in picked] == ["/a", "/b", "/b", None]
    assert chosen("甲", history(asked), PLAIN) is None


def test_numbers_mean_nothing_where_buttons_were_shown_or_nothing_was_asked() -> None:
    assert chosen("1", history(CHOICE), Shape(buttons=3)) is None
    assert chosen("1", [*history(CHOICE), *history(Reply("好", "smalltalk"))], PLAIN) is None
    assert chosen("1", [], PLAIN) is None


def test_a_short_payload_finds_its_long_one() -> None:
    (part,) = fit([CHOICE], Shape(buttons=2, payload_limit=1), message_id="m1")
    assert part.buttons[1].payload == short_payload("m1", 1)
    later = [
        *history(CHOICE),
        StoredMessage("m2", "x", "zh", (Reply("好", "smalltalk"),), datetime(2026, 1, 2)),
    ]
    button = chosen(part.buttons[1].payload, later, Shape(buttons=2))
    assert button is not None and button.payload == "/b"


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("a" * 160, "gsm7", 1),
        ("a" * 161, "gsm7", 2),
        ("a" * 306, "gsm7", 2),
        ("€" * 80, "gsm7", 1),
        ("€" * 81, "gsm7", 2),
        ("字" * 70, "ucs2", 1),
        ("字" * 71, "ucs2", 2),
        ("字" * 134, "ucs2", 2),
        ("😀" * 35, "ucs2", 1),
        ("", "gsm7", 1),
    ],
)
def test_segments(text: str, encoding: str, count: int) -> None:
    counted = segments(text)
    assert (counted.encoding, counted.count) == (encoding, count)


def test_typographic_marks_do_not_double_the_price() -> None:
    assert thrifty("It’s open – “always”…") == 'It\'s open - "always"...'
    assert thrifty("它“开”着…") == "它“开”着…"
