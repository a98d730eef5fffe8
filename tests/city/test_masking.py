"""Masking of personal data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.masking import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("我的身份证是11010519491231002X", "我的身份证是[id]"),
        ("电话13812345678谢谢", "电话[phone]谢谢"),
        ("call +44 20 7946 0958 please", "call [phone] please"),
        ("mail li.lei+x@example.com now", "mail [email] now"),
        ("卡号6222 0202 0000 1234 567", "卡号[card]"),
        ("车牌京A12345违章", "车牌[plate]违章"),
        ("my passport E12345678 expired", "my passport [id] expired"),
        ("我叫张三丰", "我叫[name]"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text", ["12345怎么打", "2026年11月23日几点开门", "12路公交", "K12路", "costs 400 yuan", "9:00-21:00"]
)
def test_what_is_no_personal_data_stays(text: str) -> None:
    assert mask(text) == text


@given(st.text(max_size=120))
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask(mask(text)) == mask(text)
