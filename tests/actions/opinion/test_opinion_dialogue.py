import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import opinion
from actions.opinion.actions import ActionOpinionOverview, continued, note_complaint
from actions.opinion.answers import Query, answer
from actions.opinion.sources.webhook import InboxSource
from actions.opinion.watch import pull
from tests.actions.opinion.conftest import NOW
from tests.actions.opinion.test_opinion_pipeline import incident, raw


@pytest.fixture
def service(make_service):
    service = make_service()
    with service.reader() as pipeline:
        others = [
            "滨河区垃圾桶又臭又脏没人清",
            "滨河区电梯坏了三天",
            "thanks, lovely park in Xishan District",
            "东城区路灯坏了",
        ]
        pipeline.ingest([raw(50 + i, t, minutes=90) for i, t in enumerate(others)], now=NOW)
        pipeline.ingest(incident(), now=NOW)
        service.draw(pipeline.opened)
    return service


def ask(service, text: str, state=None, role: str = "editor"):
    return answer(service, Query(text, "en" if text.isascii() else "zh", role, "wang", state))


def test_staff_talk_about_today_in_chinese(service) -> None:
    first = ask(service, "今天舆情怎么样?")
    text = first.replies[0].text
    assert "共 12 条" in text and "燃气" in text and "预警" in text
    posts = ask(service, "看看背后的帖子", first.state)
    assert "煤气味" in posts.replies[0].text
    district = ask(service, "哪个区投诉最多?", first.state)
    assert "负面最多的是滨河区" in district.replies[0].text
    chart = ask(service, "趋势图", first.state)
    assert chart.replies[0].image.startswith("/charts/")
    muted = ask(service, "静音这个话题", first.state)
    assert "已静音到" in muted.replies[0].text
    assert service.queries.topic(first.state["topic"]).muted_until is not None
    assert "恢复预警" in ask(service, "取消静音", muted.state).replies[0].text


def test_staff_talk_about_today_in_english(service) -> None:
    first = ask(service, "how is public opinion today?")
    assert "12 posts" in first.replies[0].text and "Gas company" in first.replies[0].text
    posts = ask(service, "show the posts behind it", first.state)
    assert "Jiefang Road" in posts.replies[0].text
    alarms = ask(service, "any alerts?", first.state)
    assert alarms.replies[0].image and "suggest" not in alarms.replies[0].text
    done = ask(service, f"acknowledge alarm {alarms.state['alarm']}", alarms.state)
    assert "is acknowledged" in done.replies[0].text
    assert service.queries.alarms()[0].state == "acknowledged"
    assert "negative" in ask(service, "compare with last week", first.state).replies[0].text
    assert "# Public opinion digest" in ask(service, "daily opinion briefing").replies[0].text
    assert "gas" in ask(service, "which category gets most complaints?", first.state).replies[0].text


def test_a_viewer_looks_and_does_not_decide(service) -> None:
    first = ask(service, "今天舆情怎么样", role="viewer")
    assert "共 12 条" in first.replies[0].text
    assert "不能" in ask(service, "静音这个话题", first.state, role="viewer").replies[0].text
    assert service.queries.topic(first.state["topic"]).muted_until is None


@pytest.mark.parametrize(
    ("text", "word"), [("今天舆情怎么样", "投诉"), ("which district complains most", "complaint")]
)
def test_a_citizen_is_refused_politely_and_offered_a_way(service, text: str, word: str) -> None:
    (reply,) = ask(service, text, role="citizen").replies
    assert word in reply.text and reply.buttons and "共 12" not in reply.text


def test_unknown_numbers_are_said(service) -> None:
    assert "没有编号为 999 的话题" in ask(service, "静音话题 999").replies[0].text
    assert "no alarm 998" in ask(service, "acknowledge alarm 998").replies[0].text


def tracker(text: str, role: str = "editor", **slots) -> Tracker:
    latest = {"text": text, "metadata": {"role": role, "message_id": "m1"}, "intent": {"name": "x"}}
    return Tracker("talk-1", {"language": "zh", **slots}, latest, [], False, None, {}, None)


async def test_the_action_answers_and_follow_ups_stay_in_the_module(service) -> None:
    opinion.configure(service)
    try:
        dispatcher = CollectingDispatcher()
        events = await ActionOpinionOverview().run(dispatcher, tracker("今天舆情怎么样"), {})
        assert "共 12 条" in dispatcher.messages[0]["text"]
        state = next(e["value"] for e in events if e["name"] == "opinion_state")
        assert (
            await continued(CollectingDispatcher(), tracker("静音这个话题", opinion_state=state)) is not None
        )
        assert await continued(CollectingDispatcher(), tracker("图书馆几点开门", opinion_state=state)) is None
        assert await continued(CollectingDispatcher(), tracker("静音这个话题", role="citizen")) is None
    finally:
        opinion.configure(None)


async def test_without_the_module_staff_are_told_and_complaints_do_no_harm() -> None:
    opinion.configure(None)
    dispatcher = CollectingDispatcher()
    await ActionOpinionOverview().run(dispatcher, tracker("今天舆情怎么样"), {})
    assert "city.yml" in dispatcher.messages[0]["text"]
    await note_complaint(tracker("路灯坏了"))


async def test_complaints_to_the_assistant_count_once_and_namelessly(service) -> None:
    opinion.configure(service)
    try:
        for _ in range(2):
            await note_complaint(tracker("我要投诉，楼下垃圾臭死了，电话13812345678", role="citizen"))
    finally:
        opinion.configure(None)
    with service.reader() as pipeline:
        report = pull(service, pipeline, InboxSource("assistant", service.engine))
        assert (report.read, report.new, report.repeated) == (2, 1, 1)
        assert pull(service, pipeline, InboxSource("assistant", service.engine)).read == 0
    (post,) = [p for p in service.queries.posts(most=50) if p.source == "assistant"]
    assert "[phone]" in post.text and "talk-1" not in post.text


@pytest.mark.parametrize(
    ("text", "role", "topic", "intent", "steered"),
    [
        ("静音这个话题", "operator", "opinion", "restart", True),
        ("看看背后的帖子", "editor", "opinion", "restart", True),
        ("mute this topic", "editor", "opinion", "restart", True),
        ("unmute it", "editor", "opinion", "nlu_fallback", True),
        ("和上周比较", "viewer", "opinion", "signal_compare", True),
        ("compare with last week", "viewer", "opinion", "signal_compare", True),
        ("any alerts?", "viewer", "opinion", "ask_knowledge", True),
        ("有什么预警吗？", "viewer", "opinion", "ask_knowledge", True),
        ("人民路路口和上周比较", "viewer", "opinion", "signal_compare", False),
        ("compare the signal timings", "viewer", "opinion", "signal_compare", False),
        ("图书馆几点开门", "viewer", "opinion", "ask_knowledge", False),
        ("静音这个话题，救命着火了", "viewer", "opinion", "emergency", False),
        ("静音这个话题", "operator", "traffic", "restart", False),
        ("静音这个话题", "operator", None, "restart", False),
        ("静音这个话题", "citizen", "opinion", "restart", False),
    ],
)
def test_follow_ups_of_staff_are_steered_to_the_module(text, role, topic, intent, steered) -> None:
    from bot.steering import steer

    parse = {
        "intent": {"name": intent, "confidence": 0.9},
        "intent_ranking": [{"name": intent, "confidence": 0.9}],
    }
    found = steer(parse, text, role, topic)
    assert found["intent"]["name"] == ("opinion_overview" if steered else intent)
    assert found["intent_ranking"][0]["name"] == found["intent"]["name"]


@pytest.mark.parametrize(
    ("text", "intent", "language", "word"),
    [
        ("我要投诉，楼下垃圾三天没人清，太气人了", "complain", "zh", "换了谁都会生气"),
        ("我要投诉", "complain", "zh", "谢谢您告诉我们"),
        ("路灯坏了两个月没人管", "report_problem", "zh", "编号"),
        ("The driver was so rude to my mother", "complain", "en", "Anyone would be upset"),
        ("I want to file a complaint", "complain", "en", "number to follow"),
        ("路灯坏了", "report_problem", "zh", None),
        ("建议多种树", "suggest", "zh", None),
        ("the park is not terrible, thank you", "praise", "en", None),
    ],
)
def test_who_complains_is_understood_before_being_asked(text, intent, language, word) -> None:
    from actions.opinion.empathy import sympathy

    reply = sympathy(text, intent, language)
    assert (reply is None) if word is None else (reply is not None and word in reply.text)
