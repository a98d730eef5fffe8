import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.language import identify


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("图书馆周日几点开门?", "zh"),
        ("圖書館幾點開門", "zh"),
        ("12路bus下一班几点", "zh"),
        ("怎么办理residence permit", "zh"),
        ("WiFi密码", "zh"),
        ("tushuguan jidian kaimen", "zh"),
        ("shen fen zheng diu le zenme ban", "zh"),
        ("Where is 市民服务中心", "en"),
        ("How do I get to 人民广场?", "en"),
        ("library hours", "en"),
        ("bus 12", "en"),
        ("I lost my card", "en"),
        ("can man hang on", "en"),
        ("ｌｉｂｒａｒｙ　ｈｏｕｒｓ", "en"),
    ],
)
def test_language_of_the_text_wins(text: str, language: str) -> None:
    assert identify(text).language == language


@pytest.mark.parametrize(
    "text", ["", "   ", "😀👍", "12345", "K12", "wifi", "ok", "face id", "!?…", "\u202e\u200f"]
)
@pytest.mark.parametrize("conversation", ["zh", "en"])
def test_a_text_that_tells_nothing_keeps_the_conversation(text: str, conversation: str) -> None:
    assert identify(text, conversation).language == conversation


@pytest.mark.parametrize(
    "text", ["LIBRARY HOURS", "old fridge?", "ｌｉｂｒａｒｙ　ｈｏｕｒｓ", "parking permit"]
)
def test_a_phrase_of_two_words_is_english_in_a_chinese_conversation_too(text: str) -> None:
    assert identify(text, "zh").language == "en"


@pytest.mark.parametrize("text", ["face id", "VIP", "QR code", "passport", "fangzi weixiu"])
def test_what_chinese_borrow_is_no_change_of_language(text: str) -> None:
    assert identify(text, "zh").language == "zh"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Où est la bibliothèque municipale s'il vous plaît?", "fr"),
        ("¿Dónde está la biblioteca más cercana?", "es"),
        ("今日は図書館は開いていますか", "ja"),
        ("도서관은 몇 시에 열어요?", "ko"),
        ("Где находится библиотека", "ru"),
    ],
)
def test_other_languages_are_seen_and_answered_in_english_or_as_before(text: str, code: str) -> None:
    assert identify(text).detected == code
    assert identify(text).language == "en"
    assert identify(text, "zh").language == "zh"


@given(st.text(max_size=300), st.sampled_from([None, "zh", "en", "xx"]))
def test_any_text_gets_a_language_and_always_the_same(text: str, conversation: str | None) -> None:
    found = identify(text, conversation)
    assert found.language in {"zh", "en"}
    assert identify(text, conversation) == found
