import itertools
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from actions.opinion.alarms import Rules, flood_reasons
from actions.opinion.lexicon import Words, load_lexicon
from actions.opinion.notices import reason_text
from actions.opinion.recent import Entry, Recent
from actions.opinion.report import change
from actions.opinion.settings import AlarmSection, OpinionSection, SeveritySection
from actions.opinion.severity import fit_cuts, weigh
from actions.opinion.stats import seasonal, wilson, z_score
from actions.opinion.topics import Tally
from nlp.sentiment import Feeling

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=timezone.utc)
LEXICON = load_lexicon()
ANGRY = Feeling("negative", 0.9, 0.06, 0.04, "angry", (0.8, 0.1, 0.0, 0.05, 0.05, 0.0), 0.8, False)
HAPPY = Feeling("positive", 0.03, 0.07, 0.9, "happy", (0.0, 0.0, 0.9, 0.1, 0.0, 0.0), 0.1, False)
CALM = Feeling("neutral", 0.1, 0.8, 0.1, "neutral", (0.0, 0.0, 0.1, 0.9, 0.0, 0.0), 0.1, False)
TEXTS = [
    "桥下煤气味很浓，老人都不敢开灯", "谁来看看这燃气泄漏，孩子头晕了", "I can smell gas next to number nine, please hurry",
    "路边煤气管好像漏了，报警了没有", "our whole floor smells of gas and nobody comes", "味道越来越大，物业电话不通",
    "是不是哪里漏气了，楼道全是味", "gas company says wait two hours, children are coughing here",
]  # fmt: skip


def level(text: str, feeling: Feeling, **more) -> int:
    return weigh(text, feeling, LEXICON, SeveritySection(), **more).level


def test_levels_follow_danger_feeling_and_reach() -> None:
    assert level("楼道煤气味很重，有老人，快来人！", ANGRY) == 4
    assert level("strong smell of gas, help, children inside", ANGRY) == 4
    assert level("路灯坏了没人管", ANGRY) == 2
    assert level("今天天气不错", CALM) == 0
    assert level("消防员灭火，火灾扑灭，致敬", HAPPY) <= 1
    assert level("路灯坏了没人管", ANGRY, reach=1e6, growth=10, copies=40) >= 3


def test_denied_and_staged_danger_weighs_nothing() -> None:
    assert LEXICON.safety("今天有火灾演练") == ()
    assert LEXICON.safety("没有爆炸，别信谣言") == ()
    assert LEXICON.safety("fire drill: no smoke, all fine") == ()
    assert LEXICON.safety("厨房起火了") == ("起火",)


_WORDS = st.sampled_from(["煤气味", "漏", "gas", "gas leak", "don't", "12345", "co2", "e-bike", "路a灯"])


@given(
    st.lists(_WORDS, min_size=1, unique=True), st.lists(_WORDS | st.text("煤气gas漏 12345-'", max_size=6)), st.booleans()
)  # fmt: skip
def test_words_are_found_as_their_pattern_finds_them(
    words: list[str], parts: list[str], spaced: bool
) -> None:
    made, text = Words.of({"all": words}), (" " if spaced else "").join(parts)
    found = [(m.start(), m.group()) for m in made.find(text)]
    assert found == [(m.start(), m.group()) for m in made.pattern.finditer(text)]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), st.integers(1, 3))))
def test_a_tally_knows_what_was_counted_most(steps: list[tuple[str, int]]) -> None:
    tally = Tally()
    for key, times in steps:
        tally.add(key, times)
    top = max(((count, key) for key, count in tally.items()), default=(0, ""))[1]
    assert tally.top == top == Tally(dict(tally)).top and "" not in tally


def test_every_factor_is_visible_and_can_be_switched_off() -> None:
    severity = weigh("煤气味很重", ANGRY, LEXICON, SeveritySection())
    named = {factor.name: factor for factor in severity.factors}
    assert named["safety"].words == ("煤气味",)
    assert severity.score == pytest.approx(sum(f.points for f in severity.factors))
    off = weigh("煤气味很重", ANGRY, LEXICON, SeveritySection(weights={"feeling": 0.3}))
    assert {factor.name for factor in off.factors} == {"feeling"}


@pytest.mark.parametrize(
    "wrong",
    [{"weights": {"mood": 1}}, {"weights": {"feeling": -1}}, {"cuts": [0.1, 0.1, 0.2, 0.3]}, {"cuts": [1]}],
)
def test_wrong_weights_and_cuts_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        SeveritySection(**wrong)


def test_cuts_are_fitted_to_what_people_said() -> None:
    scores = [0.05, 0.1, 0.3, 0.32, 0.5, 0.55, 0.7, 0.75, 1.0, 1.1]
    cuts = fit_cuts(scores, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    assert [sum(s >= c for c in cuts) for s in scores] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert all(b > a for a, b in itertools.pairwise(cuts))
    with pytest.raises(ValueError, match="ten posts"):
        fit_cuts([0.1], [1])


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 4)), min_size=10, max_size=40))
def test_fitted_cuts_always_rise(pairs) -> None:
    cuts = fit_cuts([s for s, _ in pairs], [n for _, n in pairs])
    assert len(cuts) == 4 and all(b > a for a, b in itertools.pairwise(cuts))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_bounds_hold_the_share(pair) -> None:
    low, high = wilson(*pair)
    assert 0 <= low <= pair[0] / pair[1] <= high <= 1


def test_wilson_matches_the_textbook() -> None:
    low, high = wilson(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_busy_hour_is_unusual_only_against_its_own_season() -> None:
    first = NOW - timedelta(days=21)
    noon = {(NOW - timedelta(days=d)).replace(minute=0): 20 for d in range(1, 21)}
    usual, spread = seasonal(noon, NOW, first, 21)
    night, narrow = seasonal(noon, NOW + timedelta(hours=12), first, 21)
    assert z_score(22, usual, spread) < 3 < 5 < z_score(22, night, narrow)


def entries(texts, *, severity=2, minutes=4, author=None, negative=True, topic=7):
    return [
        Entry(
            i,
            NOW - timedelta(minutes=minutes * (len(texts) - i)),
            topic,
            author or f"a{i}",
            negative,
            negative,
            severity,
            t,
        )
        for i, t in enumerate(texts, 1)
    ]


def check(found, scope="topic:7", history=None):
    recent = Recent()
    for entry in found:
        recent.add([scope], entry)
    past = history or {}
    return Rules(AlarmSection()).check(scope, recent, NOW, lambda _: (past, NOW - timedelta(days=21)))


def test_many_people_in_an_hour_raise_an_alarm_with_evidence() -> None:
    finding = check(entries(TEXTS))
    assert finding is not None and finding.rule == "volume" and finding.topic_id == 7
    assert finding.reasons["authors"] == 8 and finding.reasons["z"] > 5
    assert set(finding.evidence) == set(range(1, 9))


def test_what_is_usual_raises_none() -> None:
    usual = {NOW.replace(minute=0) - timedelta(days=d): (9, 8, 8) for d in range(1, 21)}
    assert check(entries(TEXTS), history=usual) is None
    assert check(entries(TEXTS[:4])) is None
    assert check(entries(TEXTS, negative=False)) is None


def test_few_people_with_urgent_posts_are_enough() -> None:
    finding = check(entries(TEXTS[:3], severity=4))
    assert finding is not None and finding.rule == "severe" and finding.level == 4
    assert check(entries(TEXTS[:1], severity=4)) is None


@pytest.mark.parametrize(
    "flood",
    [
        entries(TEXTS, author="one"),
        entries([f"打倒这个破公司，退钱退钱退钱 {i}" for i in range(10)]),
        [Entry(i, NOW, 7, f"a{i}", True, True, 1, t, copies=9) for i, t in enumerate(TEXTS[:3])],
    ],
)
def test_floods_are_recognised_and_do_not_count_as_volume(flood) -> None:
    assert flood_reasons(flood)
    finding = check(flood)
    assert finding is None or (finding.rule == "flood" and finding.level <= 1)


def test_a_rising_share_of_negative_posts() -> None:
    usual = {NOW.replace(minute=0) - timedelta(hours=h): (10, 2, 2) for h in range(7, 150)}
    finding = check(entries(TEXTS * 3, minutes=10), scope="district:x", history=usual)
    assert (
        finding is not None
        and finding.rule == "share"
        and finding.reasons["lower"] > finding.reasons["usual_upper"]
    )
    bad = dict.fromkeys(usual, (10, 9, 9))
    assert check(entries(TEXTS * 3, minutes=10), scope="district:x", history=bad) is None


def test_categories_and_departments() -> None:
    assert LEXICON.category("三号线地铁又停了，公交也等不到") == "transit"
    assert LEXICON.category("Potholes on the road again") == "roads"
    assert LEXICON.category("哈哈哈") == "other"
    assert all(c.department["zh"] and c.department["en"] for c in LEXICON.categories.values())


def test_settings_name_what_is_wrong() -> None:
    source = {"name": "x", "kind": "rss", "url": "https://a.example/feed"}
    assert OpinionSection(sources=[source]).sources[0].every_s == 300
    for wrong in ({**source, "url": "ftp://x"}, {**source, "kind": "telepathy"}, {**source, "extra": 1}):
        with pytest.raises(ValidationError):
            OpinionSection(sources=[wrong])
    with pytest.raises(ValidationError, match="twice"):
        OpinionSection(sources=[source, source])


@pytest.mark.parametrize(
    ("now", "before", "zh", "en"),
    [
        (60, 1, "是上期的 60 倍", "60 times the period before"),
        (5, 2, "是上期的 2.5 倍", "2.5 times the period before"),
        (3, 2, "较上期升 50%", "up 50% on the period before"),
        (1, 4, "较上期降 75%", "down 75% on the period before"),
        (7, 7, "与上期持平", "unchanged"),
        (7, 0, "上期无数据", "nothing before"),
        (0, 0, "", ""),
    ],
)
def test_a_change_is_said_as_people_say_it(now: int, before: int, zh: str, en: str) -> None:
    assert (change(now, before, "zh"), change(now, before, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("usual", "zh", "en"),
    [
        (0.2, "平时这个时段几乎没有", "usually next to none"),
        (1.0, "是平时的 12 倍（平时约 1.0 条）", "12 times the usual 1.0"),
        (8.0, "平时约 8.0 条", "usually 8.0"),
    ],
)
def test_an_alarm_says_its_volume_beside_the_usual(usual: float, zh: str, en: str) -> None:
    reasons = {"posts": 12, "authors": 9, "usual": usual, "z": 9.1}
    assert reason_text("volume", reasons, "zh").endswith(zh)
    assert reason_text("volume", reasons, "en").endswith(en)
