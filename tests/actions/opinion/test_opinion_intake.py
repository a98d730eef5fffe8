import hashlib
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.opinion.errors import PostError
from actions.opinion.intake import Door, content_fingerprint, plain, read_time
from actions.opinion.model import RawPost

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=timezone.utc)
DOOR = Door(b"key")


def admit(text: str, **values):
    return DOOR.admit(RawPost("web", values.pop("id", "1"), text, **values), NOW)


def test_personal_data_and_names_do_not_get_past_the_door() -> None:
    post = admit("@王小明 路灯坏了，打我电话13812345678，邮箱a.b@c.cn", author="王小明", at=NOW)
    assert "王小明" not in post.text and "13812345678" not in post.text and "a.b@c.cn" not in post.text
    assert "[phone]" in post.text and "[email]" in post.text
    assert len(post.author) == 16 and post.author != hashlib.sha256("王小明".encode()).hexdigest()[:16]
    assert post.author == admit("别的", id="2", author="王小明").author
    assert Door(b"other").admit(RawPost("web", "1", "x", author="王小明"), NOW).author != post.author


def test_a_ten_megabyte_post_is_cut_quickly() -> None:
    began = time.monotonic()
    post = admit("水管爆了！" * 2_000_000, at=NOW)
    assert len(post.text) <= 4000 and "cut" in post.notes
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("text", ["", "   ", "<p></p>", "\u200b\u200b", "<script>alert(1)</script>"])
def test_nothing_to_read_is_refused_by_name(text: str) -> None:
    with pytest.raises(PostError) as caught:
        admit(text)
    assert caught.value.reason == "empty"


def test_html_zalgo_and_emoji_become_plain_text() -> None:
    assert plain("<p>路灯<b>坏</b>了&nbsp;&amp; 没人<br>管<script>x()</script></p>") == "路灯坏了 & 没人 管"
    zalgo = "w" + "\u0301\u0316\u0302\u0317" * 20 + "ater"
    assert len(plain(zalgo)) < 12
    assert admit("😡😡😡").language == "und"


def test_unknown_languages_are_kept_and_named() -> None:
    assert admit("La farola está rota desde hace tres días y nadie viene").language == "es"
    assert admit("街灯が壊れています、直してください").language == "ja"
    assert admit("路灯坏了").language == "zh"
    assert admit("the street light is broken").language == "en"


def test_future_and_impossible_times() -> None:
    post = admit("x y z", at=NOW + timedelta(days=400))
    assert post.at == NOW and "future" in post.notes
    for wrong in ("gestern", "1970-01-01", float("nan"), "9" * 40, 1e30):
        with pytest.raises(PostError) as caught:
            admit("abc", at=wrong)
        assert caught.value.reason == "bad_time"


def test_times_in_the_forms_that_sources_write() -> None:
    wanted = datetime(2026, 3, 18, 4, 5, 6, tzinfo=timezone.utc)
    for text in (
        "2026-03-18T12:05:06+08:00",
        "2026-03-18T04:05:06Z",
        "Wed, 18 Mar 2026 04:05:06 GMT",
        wanted.timestamp(),
    ):
        assert read_time(text, NOW) == wanted
    assert read_time(str(int(wanted.timestamp() * 1000)), NOW) == wanted


def test_reposts_share_a_fingerprint_and_other_posts_do_not() -> None:
    first = content_fingerprint("路灯坏了三天了，没人管！")
    assert content_fingerprint("转发微博 路灯坏了三天了 没人管 https://t.cn/abc") == first
    assert content_fingerprint("//@某人: 路燈壞了三天了，沒人管") == first
    assert content_fingerprint("RT @a: Water is OFF") == content_fingerprint("water is off!!!")
    assert content_fingerprint("路灯坏了四天了，没人管！") != first
    assert content_fingerprint("😡😡") != content_fingerprint("😀")


def test_the_key_is_made_once_and_kept_secret(tmp_path: Path) -> None:
    one, two = Door.open(tmp_path), Door.open(tmp_path)
    assert one.hash_author("a", "b") == two.hash_author("a", "b")
    assert (tmp_path / "author.key").stat().st_mode & 0o077 == 0


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=300), at=st.one_of(st.none(), st.text(max_size=30), st.floats(), st.integers()))
def test_any_input_is_admitted_or_refused_with_a_reason(text: str, at) -> None:
    try:
        post = DOOR.admit(RawPost("web", "1", text, at=at, author=text), NOW)
    except PostError as error:
        assert error.reason in {"empty", "bad_time"} and error.zh and error.en
    else:
        assert post.text.strip() and post.at <= NOW + timedelta(minutes=10) and len(post.key) == 40
        post.text.encode("utf-8")
