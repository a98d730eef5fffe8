import pytest

from actions.general.replies import emergency_reply, handoff_reply, language_reply, wished_language
from city.settings import load_settings

SETTINGS = load_settings()


@pytest.mark.parametrize(
    ("kind", "first"), [("fire", "119"), ("medical", "120"), ("crime", "110"), ("mental", "12356")]
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_fitting_number_comes_first_and_none_is_missing(kind: str, first: str, language: str) -> None:
    reply = emergency_reply(SETTINGS.emergency, kind, language)
    assert reply.source == "emergency"
    assert reply.text.split("**")[1] == first
    assert {button.title for button in reply.buttons} == {"110", "119", "120", "122", "12356"}


def test_an_unknown_kind_keeps_the_citys_order() -> None:
    assert emergency_reply(SETTINGS.emergency, None, "zh").text.split("**")[1] == "110"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("speak English please", "en"),
        ("请说英文", "en"),
        ("说中文", "zh"),
        ("别说中文了，说英文", "en"),
        ("not english, chinese please", "zh"),
        ("parlez français", None),
        ("", None),
    ],
)
def test_wished_language(text: str, language: str | None) -> None:
    assert wished_language(text) == language


def test_replies_are_in_the_language_asked_for() -> None:
    assert "English" in language_reply("en", "zh").text
    assert "中文" in language_reply("zh", "en").text
    assert "12345" in handoff_reply(SETTINGS.contact, "zh").text
    assert "12345" in handoff_reply(SETTINGS.contact, "en").text
