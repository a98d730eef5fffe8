from bot.output import ReplyCollector
from city.messages import Button, Reply


async def collect(*messages: dict) -> list[Reply]:
    collector = ReplyCollector()
    for message in messages:
        await collector.send_response("a", message)
    return collector.replies


async def test_an_actions_reply_comes_through_whole() -> None:
    reply = Reply("答案", "knowledge", buttons=[Button("a", "b")], image="/x.png")
    assert (await collect({"text": "答案", "custom": {"reply": reply.to_dict()}}))[
        0
    ].to_dict() == reply.to_dict()


async def test_a_domain_response_is_one_reply_with_its_paragraphs() -> None:
    replies = await collect({"text": "a\n\nb", "buttons": [{"title": "t", "payload": "p"}]})
    assert [(r.text, r.source, len(r.buttons)) for r in replies] == [("a\n\nb", "smalltalk", 1)]


async def test_an_empty_message_is_dropped() -> None:
    assert await collect({"text": "  "}, {}) == []
