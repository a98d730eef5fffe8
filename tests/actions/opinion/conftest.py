from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from actions.opinion.judging import Judge
from actions.opinion.lexicon import load_lexicon
from actions.opinion.service import OpinionService
from actions.opinion.settings import OpinionSection
from actions.opinion.words import WordCutter
from city.settings import load_settings
from nlp.encoder import BASE_DIR, Encoder
from nlp.entities.gazetteer import Gazetteer
from nlp.sentiment import EMOTIONS, Feeling, Readings

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=timezone.utc)
_BAD = (
    "坏",
    "臭",
    "黄",
    "气味",
    "煤气",
    "停",
    "没人",
    "brown",
    "broken",
    "smell",
    "leak",
    "rude",
    "dirty",
    "故障",
    "怪味",
)
_GOOD = ("谢谢", "点赞", "好看", "thank", "great", "lovely", "阳光")


class WordReader:
    """Feelings from plain words, so that tests of everything behind the model need no model."""

    version = "words-1"

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def read(self, texts: Sequence[str]) -> Readings:
        return Readings([self._one(text.lower()) for text in texts], self._encoder.encode(texts))

    def _one(self, text: str) -> Feeling:
        bad, good = any(w in text for w in _BAD), any(w in text for w in _GOOD)
        shares = (
            (0.9, 0.06, 0.04)
            if bad and not good
            else (0.05, 0.15, 0.8)
            if good and not bad
            else (0.2, 0.6, 0.2)
        )
        name = ("negative", "neutral", "positive")[int(np.argmax(shares))]
        emotions = [0.04] * len(EMOTIONS)
        emotions[EMOTIONS.index("angry" if name == "negative" else "neutral")] = 0.8
        mood = "angry" if name == "negative" else "neutral"
        return Feeling(name, *shares, mood, tuple(emotions), 0.8 if name == "negative" else 0.1, bad and good)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder.load(BASE_DIR, max_tokens=48)


@pytest.fixture(scope="session")
def gazetteer() -> Gazetteer:
    return Gazetteer.read(load_settings().path(Path("bot/data/gazetteer/city.csv")))


@pytest.fixture(scope="session")
def judge(encoder: Encoder, gazetteer: Gazetteer, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    cutter = WordCutter(gazetteer, tmp_path_factory.mktemp("words"))
    return Judge(WordReader(encoder), load_lexicon(), gazetteer, cutter)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


MakeService = Callable[..., OpinionService]


@pytest.fixture
def make_service(tmp_path: Path, judge: Judge, clock: Clock) -> Iterator[MakeService]:
    made: list[OpinionService] = []
    settings = load_settings()

    def make(send=None, **section) -> OpinionService:
        service = OpinionService(
            OpinionSection(**section),
            settings.path,
            ZoneInfo("Asia/Shanghai"),
            tmp_path / "var",
            clock=clock,
            make_judge=lambda: judge,
            send=send,
        )
        made.append(service)
        return service

    (tmp_path / "var").mkdir()
    yield make
    for service in made:
        service.engine.dispose()
