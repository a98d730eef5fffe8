"""A small knowledge base, and an encoder that needs no model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from city.settings import ContactSection, EmergencyNumber, KnowledgeSection, Settings
from knowledge.article import Article, make_article
from knowledge.markdown import format_article
from knowledge.service import KnowledgeService, Outcome, Question
from knowledge.text import clean

TODAY = date(2026, 11, 23)


class HashingEncoder:
    """Character n-grams and words hashed into a vector: similar texts are near, and nothing is downloaded."""

    def __init__(self, dimension: int = 96, salt: str = "") -> None:
        self.dimension = dimension
        self.fingerprint = f"hashing-{dimension}-{salt}"
        self.calls = 0

    def encode(self, texts: Sequence[str]) -> Any:
        self.calls += len(texts)
        return (
            np.stack([self._vector(text) for text in texts])
            if len(texts)
            else np.zeros((0, self.dimension), "f4")
        )

    def encode_one(self, text: str) -> Any:
        return self.encode([text])[0]

    def _vector(self, text: str) -> Any:
        text = clean(text).lower()
        grams = re.findall(r"[a-z0-9]+", text)
        han = re.sub(r"[^㐀-鿿]", "", text)
        grams += [han[i : i + 2] for i in range(len(han) - 1)] + list(han)
        vector = np.zeros(self.dimension, np.float32)
        for gram in grams:
            digest = hashlib.blake2b(gram.encode(), digest_size=8).digest()
            vector[int.from_bytes(digest[:4], "little") % self.dimension] += 1 if digest[4] % 2 else -1
        norm = float(np.linalg.norm(vector))
        return vector / norm if norm else np.eye(1, self.dimension, dtype=np.float32)[0]


def article(article_id: str = "library-hours", **changes: Any) -> Article:
    """An article of the small base, changed where wished."""
    data: dict[str, Any] = {
        "id": article_id,
        "title": {"zh": "图书馆开放时间", "en": "Library opening hours"},
        "questions": {
            "zh": ["图书馆几点开门", "图书馆周日开吗", "图书馆晚上几点关门"],
            "en": ["When does the library open?", "Is the library open on Sunday?", "library closing time"],
        },
        "answer": {"zh": "周二至周日9:00至21:00开放。", "en": "Open Tuesday to Sunday 9:00–21:00."},
        "category": "library",
        "department": "library",
        "tags": ["topic:library", "hours"],
        "source_url": "https://www.lanchuan.example/library/hours",
        "contact": {"zh": "市图书馆，12345 转 22", "en": "City Library, 12345 ext. 22"},
        "valid_from": "2026-01-01",
        "valid_until": "2028-12-31",
        "status": "published",
        "updated_by": "demo",
    }
    return make_article({**data, **changes})


def small_base() -> list[Article]:
    """Eight articles in four topics."""
    return [
        article(),
        article(
            "library-discount",
            title={"zh": "图书馆残疾人优惠", "en": "Library discounts for disabled people"},
            questions={
                "zh": ["残疾人去图书馆有优惠吗", "图书馆对残疾人免费吗", "图书馆轮椅通道"],
                "en": [
                    "library discount for disabled people",
                    "wheelchair access library",
                    "disabled library services",
                ],
            },
            answer={"zh": "持残疾人证可借20册。", "en": "Disabled people may borrow 20 items."},
            tags=["topic:library", "discount"],
        ),
        article(
            "permit-renew",
            title={"zh": "居留许可延期", "en": "Renewing a residence permit"},
            questions={
                "zh": ["居留许可怎么延期", "居留许可快到期了", "居留许可续签材料"],
                "en": [
                    "How do I renew a residence permit?",
                    "extend my residence permit",
                    "residence permit expires",
                ],
            },
            answer={"zh": "请提前30日申请。", "en": "Apply 30 days before it expires."},
            category="immigration",
            department="immigration",
            tags=["topic:permit", "how-to", "documents"],
        ),
        article(
            "permit-fee",
            title={"zh": "居留许可收费", "en": "Residence permit fee"},
            questions={
                "zh": ["居留许可多少钱", "居留许可收费标准", "居留许可费用"],
                "en": [
                    "How much is a residence permit?",
                    "residence permit fee",
                    "price of a residence permit",
                ],
            },
            answer={"zh": "一年以内400元。", "en": "400 yuan for less than one year."},
            category="immigration",
            department="immigration",
            tags=["topic:permit", "fee"],
        ),
        article(
            "dog-licence",
            title={"zh": "养犬登记", "en": "Dog licence"},
            questions={
                "zh": ["狗证怎么办", "养狗要登记吗", "给狗上户口"],
                "en": ["register my dog", "dog licence cost", "do dogs need a licence"],
            },
            answer={"zh": "登记费每年100元。", "en": "The licence costs 100 yuan a year."},
            category="pets",
            department="police",
            tags=["topic:dog", "fee", "how-to"],
        ),
        article(
            "bulky-waste",
            title={"zh": "大件垃圾清运", "en": "Bulky waste collection"},
            questions={
                "zh": ["旧沙发怎么扔", "大件垃圾谁来收", "旧家具清运"],
                "en": ["get rid of an old sofa", "bulky waste pickup", "throw away furniture"],
            },
            answer={"zh": "请预约上门清运。", "en": "Book a collection at your door."},
            category="waste",
            department="urban",
            tags=["topic:waste", "how-to"],
        ),
        article(
            "only-chinese",
            title={"zh": "广场舞噪音投诉"},
            questions={"zh": ["广场舞太吵怎么投诉", "跳舞音乐扰民", "广场舞几点不能跳"]},
            answer={"zh": "请拨打12345转14投诉。"},
            category="noise",
            department="urban",
            tags=["topic:noise", "report"],
        ),
        article(
            "expired-subsidy",
            title={"zh": "旧空调补贴", "en": "Air conditioner subsidy"},
            questions={"zh": ["买空调有补贴吗"], "en": ["subsidy for air conditioners"]},
            answer={"zh": "每台补贴300元。", "en": "300 yuan for each unit."},
            category="power",
            department="power",
            tags=["topic:subsidy", "discount"],
            valid_until="2026-06-30",
        ),
    ]


def write_folder(folder: Path, articles: Sequence[Article]) -> Path:
    """Write articles as Markdown files."""
    for item in articles:
        target = folder / (item.category or "other")
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{item.id}.md").write_text(format_article(item), "utf-8")
    return folder


def make_settings(root: Path, **knowledge: Any) -> Settings:
    """Settings of a city whose files lie below `root`."""
    return Settings(
        city={
            "id": "testcity",
            "name": {"zh": "测试市", "en": "Test City"},
            "time_zone": "Asia/Shanghai",
        },
        emergency=[EmergencyNumber(number="110", zh="报警", en="Police")],
        contact=ContactSection(number="12345", zh="市民热线（24 小时）", en="Citizen hotline (24 hours)"),
        data_dir=root / "var",
        knowledge=KnowledgeSection(articles=root / "articles", **knowledge),
        source=root / "city.yml",
    )


BACKGROUND = {
    "zh": "今天天气怎么样 讲个笑话 红烧肉怎么做 谁写了红楼梦 股票会涨吗 推荐一部电影 三乘七等于几 比赛谁赢了 怎么减肥 买什么手机好",
    "en": "what is the weather|tell me a joke|how to cook rice|who wrote Hamlet|will stocks rise|recommend a film|"
    "three times seven|who won the game|how to lose weight|which phone is good",
}


def write_background(folder: Path) -> None:
    """Write questions that no article answers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "background.zh.txt").write_text("\n".join(BACKGROUND["zh"].split()), "utf-8")
    (folder / "background.en.txt").write_text("\n".join(BACKGROUND["en"].split("|")), "utf-8")


Opener = Callable[..., KnowledgeService]


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder()


@pytest.fixture
def open_service(tmp_path: Path, encoder: HashingEncoder) -> Iterator[Opener]:
    """Open services on one data directory; all are closed at the end."""
    opened: list[KnowledgeService] = []
    write_folder(tmp_path / "articles", small_base())
    write_background(tmp_path / "calibration")

    def opener(**options: Any) -> KnowledgeService:
        knowledge = options.pop("knowledge", {})
        options.setdefault("follow", False)
        options.setdefault("encoder", encoder)
        service = KnowledgeService.open(make_settings(tmp_path, **knowledge), **options)
        opened.append(service)
        return service

    yield opener
    for service in opened:
        service.close()


@pytest.fixture
def service(open_service: Opener) -> KnowledgeService:
    return open_service()


Ask = Callable[..., Outcome]


@pytest.fixture
def ask(service: KnowledgeService) -> Ask:
    """Ask the small base a question."""

    def asker(text: str, language: str = "zh", **fields: Any) -> Outcome:
        fields.setdefault("today", TODAY)
        fields.setdefault("intent", "ask_knowledge")
        return service.answer(Question(text, language, **fields))

    return asker
