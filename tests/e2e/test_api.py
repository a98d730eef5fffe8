"""The citizen API of the real server, with nothing but the standard library as the client."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


class Client:
    """One citizen with a conversation of their own."""

    def __init__(self, server_url: str) -> None:
        self.base = server_url.rstrip("/")
        self.headers: dict[str, str] = {}
        status, made = self.call("POST", "/api/v1/conversations")
        assert status == 201
        self.path = f"/api/v1/conversations/{made['conversation_id']}"
        self.headers = {"Authorization": f"Bearer {made['token']}"}

    def call(self, method: str, path: str, data: Any = None) -> tuple[int, Any]:
        body = None if data is None else json.dumps(data).encode()
        headers = {**self.headers, **({"Content-Type": "application/json"} if body else {})}
        request = urllib.request.Request(self.base + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def say(self, text: Any, **more: Any) -> tuple[int, Any]:
        return self.call("POST", self.path + "/messages", {"text": text, **more})


@pytest.fixture
def citizen(server_url: str) -> Client:
    return Client(server_url)


def test_ready(server_url: str, citizen: Client) -> None:
    status, state = citizen.call("GET", "/readyz")
    assert status == 200
    assert all(state["checks"].values())


@pytest.mark.parametrize(
    ("question", "language"),
    [("图书馆周日几点开门？", "zh"), ("What time does the library open on Sunday?", "en")],
)
def test_a_knowledge_question_is_answered_with_its_source(
    citizen: Client, question: str, language: str
) -> None:
    status, answer = citizen.say(question)
    assert status == 200
    assert answer["language"] == language
    first = answer["replies"][0]
    assert first["source"] == "knowledge"
    assert first["citations"]
    assert first["citations"][0]["title"]


def test_the_same_id_gives_the_same_answer_and_one_entry(citizen: Client) -> None:
    message_id = uuid.uuid4().hex
    first = citizen.say("你好", message_id=message_id)
    assert citizen.say("你好", message_id=message_id) == first
    _, history = citizen.call("GET", citizen.path + "/messages")
    assert len(history["messages"]) == 1


def test_twenty_at_once_are_all_answered(citizen: Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(citizen.say, [f"你好 {n}" for n in range(20)]))
    assert [status for status, _ in answers] == [200] * 20
    assert all(answer["replies"] for _, answer in answers)
    _, history = citizen.call("GET", citizen.path + "/messages")
    assert len(history["messages"]) == 20
    assert all(message["state"] == "answered" for message in history["messages"])


@pytest.mark.parametrize(
    "text",
    ["😀😀", "<script>alert(1)</script>", "\x00\x01图书\u202e馆", "?", "12", "a" * 2000],
    ids=["emoji", "html", "control", "mark", "digits", "longest"],
)
def test_odd_input_gets_an_answer(citizen: Client, text: str) -> None:
    status, answer = citizen.say(text)
    assert status == 200
    assert answer["replies"]
    assert all(reply["text"] and reply["source"] != "error" for reply in answer["replies"])
    assert "nlu_fallback" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("text", "status"),
    [("", 400), (" \n", 400), (None, 400), (7, 400), ("x" * 10_000, 413)],
    ids=["empty", "blank", "null", "number", "too-long"],
)
def test_bad_input_is_a_clear_problem(citizen: Client, text: Any, status: int) -> None:
    got, problem = citizen.say(text)
    assert got == problem["status"] == status
    assert problem["type"]
    assert problem["messages"]["zh"]
    assert problem["messages"]["en"]


def test_an_emergency_gets_the_numbers_first(citizen: Client) -> None:
    _, answer = citizen.say("着火了！救命！")
    assert answer["replies"][0]["source"] == "emergency"
    assert "119" in answer["replies"][0]["text"]


def test_feedback_and_erasure(citizen: Client) -> None:
    _, answer = citizen.say("你好")
    feedback = {"message_id": answer["message_id"], "rating": "down", "comment": "太短"}
    assert citizen.call("POST", citizen.path + "/feedback", feedback)[0] == 200
    assert citizen.call("DELETE", citizen.path)[0] == 204
    assert citizen.call("GET", citizen.path + "/messages")[0] == 404


def test_one_citizen_cannot_read_another_s_conversation(server_url: str, citizen: Client) -> None:
    stranger = Client(server_url)
    assert stranger.call("GET", citizen.path + "/messages")[0] == 403
