import pytest

from nlp.emergency import emergency_kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("着火了", "fire"),
        ("我家厨房冒烟了快来", "fire"),
        ("家里有煤气味很重", "fire"),
        ("There's a fire in my building", "fire"),
        ("i smell gas in the kitchen", "fire"),
        ("我爸晕倒了", "medical"),
        ("有人掉进河里了", "medical"),
        ("My dad collapsed and he is not breathing", "medical"),
        ("救命！", "crime"),
        ("有人拿刀砍人", "crime"),
        ("someone is breaking into my house", "crime"),
        ("HELP!!", "crime"),
        ("出车祸了有人受伤", "traffic"),
        ("a man was hit by a car", "traffic"),
        ("我不想活了", "mental"),
        ("i want to kill myself", "mental"),
        ("how do I kill myself", "mental"),
        ("着火了怎么办理逃生，快来", "fire"),
    ],
)
def test_danger_is_recognised(text: str, kind: str) -> None:
    assert emergency_kind(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "图书馆几点开门",
        "火灾时如何逃生？",
        "怎么预防煤气泄漏",
        "车祸保险怎么理赔",
        "How do I report a gas leak inspection?",
        "What should I do in case of fire?",
        "燃气怎么开户",
        "fire station opening hours",
        "第一人民医院急诊在哪",
        "我的钱包被偷了怎么办理证明",
    ],
)
def test_questions_about_emergencies_are_none(text: str) -> None:
    assert emergency_kind(text) is None


def test_huge_text_is_no_trouble() -> None:
    assert emergency_kind("啊" * 100_000) is None
