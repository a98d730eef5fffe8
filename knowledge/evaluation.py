"""Measures retrieval and whole answers on held-out questions and scripted conversations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from knowledge.answering import Answerer, Question
from knowledge.article import LANGUAGES
from knowledge.calibrating import LabelledQuestion, lexicon_folds, one_language
from knowledge.calibration import Calibration
from knowledge.importing import Progress
from knowledge.index import Index, SentenceEncoder
from knowledge.ranking import Candidate, make_query, search
from knowledge.remembering import RememberingEncoder
from knowledge.reranking import Reranker
from knowledge.snapshot import Filter, Snapshot

MODES = ("lexical", "dense", "hybrid")
CUTS = (1, 3, 5, 10)


class ConversationFileError(Exception):
    """A conversation file is wrong; the message names the file, the place and the mend."""


def evaluate_retrieval(
    index: Index,
    calibration: Calibration,
    questions: Sequence[LabelledQuestion],
    *,
    modes: Sequence[str] = MODES,
    cross: bool = False,
    reranker: Reranker | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Search every question and score the ranking.

    Args:
        index: the index.
        calibration: of the index.
        questions: held-out questions.
        modes: which searches to compare.
        cross: also search copies of the index that hold the articles in one language only.
        reranker: judges the best candidates of the hybrid search anew.
        progress: told how far it is.

    Returns:
        `ranking[mode][language]` with recall@k, MRR, nDCG@10; `kinds` and `categories` with recall@1 and @3;
        `abstention` with a curve of (threshold, abstained on unanswerable, falsely abstained); `cross[query
        language][article language]`; `missed`, the questions whose answer is not first.
    """
    snapshot = index.snapshot
    encoder = RememberingEncoder(index.encoder, [item.query for item in questions])
    languages = [language for language in LANGUAGES if any(item.language == language for item in questions)]
    report: dict[str, Any] = {
        "questions": _counts(questions),
        "ranking": {},
        "encoder": index.encoder.fingerprint,
    }
    hybrid: list[tuple[LabelledQuestion, list[Candidate]]] = []
    for mode in modes:
        found = []
        for number, item in enumerate(questions):
            if progress and number % 25 == 0:
                progress(mode, number, len(questions))
            found.append((item, _find(index, encoder, snapshot, calibration, item, mode, reranker)))
        if progress:
            progress(mode, len(questions), len(questions))
        report["ranking"][mode] = {
            language: _ranking([pair for pair in found if pair[0].language == language])
            for language in languages
        }
        if mode == "hybrid":
            hybrid = found
    if hybrid:
        report["kinds"] = _grouped(hybrid, lambda item: item.kind or "question")
        categories = {name: _category(snapshot, name) for name in snapshot.ids}
        report["categories"] = _grouped(hybrid, lambda item: categories.get(item.relevant[0], ""))
        report["abstention"] = {
            language: _abstention(
                [pair for pair in hybrid if pair[0].language == language],
                calibration.of(language, (language,)),
            )
            for language in languages
        }
        report["missed"] = [
            {
                "query": item.query,
                "language": item.language,
                "relevant": list(item.relevant),
                "found": [[hit.facts.id, round(hit.probability, 3)] for hit in hits[:3]],
            }
            for item, hits in hybrid
            if item.relevant and _rank(item, hits) != 1
        ]
    if cross:
        report["cross"] = {language: {} for language in languages}
        folds = lexicon_folds(index)
        for held in LANGUAGES:
            copy = one_language(index, held, folds)
            for language in languages:
                asked = [item for item in questions if item.language == language and item.relevant]
                pairs = [
                    (item, _find(index, encoder, copy, calibration, item, "hybrid", reranker))
                    for item in asked
                ]
                report["cross"][language][held] = _ranking(pairs)
    return report


def _find(
    index: Index,
    encoder: SentenceEncoder,
    snapshot: Snapshot,
    calibration: Calibration,
    item: LabelledQuestion,
    mode: str,
    reranker: Reranker | None,
) -> list[Candidate]:
    query = make_query(item.query, item.language, snapshot, encoder, index.stop_words)
    found = search(query, snapshot, Filter(), calibration, mode=mode)
    return reranker.reorder(query, found, calibration) if reranker and mode == "hybrid" else found


def _rank(item: LabelledQuestion, hits: Sequence[Candidate]) -> int:
    return next((rank for rank, hit in enumerate(hits, 1) if hit.facts.id in item.relevant), 0)


def _ranking(pairs: Sequence[tuple[LabelledQuestion, list[Candidate]]]) -> dict[str, float]:
    answerable = [(item, hits) for item, hits in pairs if item.relevant]
    if not answerable:
        return {}
    ranks = [_rank(item, hits) for item, hits in answerable]
    scores = {f"recall@{cut}": float(np.mean([0 < rank <= cut for rank in ranks])) for cut in CUTS}
    scores["mrr"] = float(np.mean([1 / rank if rank else 0 for rank in ranks]))
    scores["ndcg@10"] = float(np.mean([_ndcg(item, hits) for item, hits in answerable]))
    return {name: round(value, 4) for name, value in scores.items()}


def _ndcg(item: LabelledQuestion, hits: Sequence[Candidate]) -> float:
    gain = sum(
        1 / math.log2(rank + 1) for rank, hit in enumerate(hits[:10], 1) if hit.facts.id in item.relevant
    )
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(len(item.relevant), 10) + 1))


def _grouped(pairs: Sequence[tuple[LabelledQuestion, list[Candidate]]], key: Any) -> dict[str, Any]:
    groups: dict[str, list[int]] = {}
    for item, hits in pairs:
        if item.relevant:
            groups.setdefault(key(item), []).append(_rank(item, hits))
    return {
        name: {
            "questions": len(ranks),
            "recall@1": round(float(np.mean([rank == 1 for rank in ranks])), 4),
            "recall@3": round(float(np.mean([0 < rank <= 3 for rank in ranks])), 4),
        }
        for name, ranks in sorted(groups.items())
    }


def _abstention(
    pairs: Sequence[tuple[LabelledQuestion, list[Candidate]]], calibration: Calibration
) -> dict[str, Any]:
    tops = np.asarray([hits[0].probability if hits else 0.0 for _, hits in pairs])
    unanswerable = np.asarray([not item.relevant for item, _ in pairs], bool)
    right, wrong = np.sort(tops[~unanswerable]), tops[unanswerable]
    if not len(right) or not len(wrong):
        return {}
    at_five = float(right[int(0.05 * len(right))])
    return {
        "threshold": round(calibration.answer, 4),
        "abstained": round(float((wrong < calibration.answer).mean()), 4),
        "falsely": round(float((right < calibration.answer).mean()), 4),
        "abstained_at_5_percent_falsely": round(float((wrong < at_five).mean()), 4),
        "curve": [
            [round(float(t), 3), round(float((wrong < t).mean()), 4), round(float((right < t).mean()), 4)]
            for t in (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
        ],
    }


def _category(snapshot: Snapshot, article_id: str) -> str:
    ref = snapshot.find(article_id)
    return snapshot.facts(ref).category if ref is not None else ""


def _counts(questions: Sequence[LabelledQuestion]) -> dict[str, dict[str, int]]:
    return {
        language: {
            "answerable": sum(bool(item.relevant) for item in questions if item.language == language),
            "unanswerable": sum(not item.relevant for item in questions if item.language == language),
        }
        for language in LANGUAGES
    }


@dataclass
class TurnResult:
    """One turn of a scripted conversation: what was said, and what was not as expected."""

    conversation: str
    turn: int
    user: str
    decision: str
    article: str
    problems: list[str]


def read_conversations(path: Path) -> list[dict[str, Any]]:
    """Read scripted conversations: YAML, a list of `{name, turns: [{user, language, …, expect: {…}}]}`.

    A turn may have `follow_up`, `intent` and `after_minutes`; `expect` may have `decision`, `article` (an id or
    several of which one will do), `language`, `source`, `contains`, and `button` (a title that must be offered).

    Raises:
        ConversationFileError: when the file is no such list.
    """
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConversationFileError(f"{path}: cannot be read ({error})") from None
    if not isinstance(data, list):
        raise ConversationFileError(f"{path}: must be a list of conversations")
    for number, item in enumerate(data, 1):
        turns = item.get("turns") if isinstance(item, dict) else None
        if not turns or any("user" not in turn or turn.get("language") not in LANGUAGES for turn in turns):
            raise ConversationFileError(
                f"{path}: conversation {number} needs `turns`, each with `user` and `language` (zh or en)"
            )
    return data


def evaluate_answers(
    answerer: Answerer,
    snapshot: Snapshot,
    calibration: Calibration,
    conversations: Sequence[Mapping[str, Any]],
    today: date,
) -> list[TurnResult]:
    """Hold scripted conversations; time passes as their turns say.

    The answerer's clock is replaced while this runs.
    """
    results = []
    clock = answerer.clock
    try:
        for conversation in conversations:
            state: dict[str, Any] | None = None
            minutes = 0.0
            for number, turn in enumerate(conversation["turns"], 1):
                minutes += float(turn.get("after_minutes", 0.5))
                at = minutes * 60
                answerer.clock = lambda at=at: at  # type: ignore[misc]
                question = Question(
                    str(turn["user"]),
                    turn["language"],
                    today,
                    turn.get("intent", "ask_follow_up" if turn.get("follow_up") else "ask_knowledge"),
                    bool(turn.get("follow_up")),
                    state,
                )
                outcome = answerer.answer(question, snapshot, calibration)
                state = outcome.state
                reply = outcome.replies[0]
                article = reply.citations[0].article_id if reply.citations else ""
                problems = _problems(turn.get("expect") or {}, outcome.decision, article, reply)
                results.append(
                    TurnResult(
                        str(conversation["name"]),
                        number,
                        str(turn["user"]),
                        outcome.decision,
                        article,
                        problems,
                    )
                )
    finally:
        answerer.clock = clock
    return results


def _problems(expect: Mapping[str, Any], decision: str, article: str, reply: Any) -> list[str]:
    problems = []
    if "decision" in expect and decision != expect["decision"]:
        problems.append(f"decision is {decision}, not {expect['decision']}")
    if "article" in expect:
        wanted = [expect["article"]] if isinstance(expect["article"], str) else expect["article"]
        if article not in wanted:
            problems.append(f"article is {article or 'none'}, not {' or '.join(wanted)}")
    if "source" in expect and reply.source != expect["source"]:
        problems.append(f"source is {reply.source}, not {expect['source']}")
    if "language" in expect:
        chinese = sum("㐀" <= ch <= "鿿" for ch in reply.text)
        if (chinese * 3 > len(reply.text)) != (expect["language"] == "zh"):
            problems.append(f"the text is not in {expect['language']}")
    if "contains" in expect and str(expect["contains"]) not in reply.text:
        problems.append(f"the text lacks “{expect['contains']}”")
    if "button" in expect and expect["button"] not in [button.title for button in reply.buttons]:
        problems.append(f"no button “{expect['button']}”")
    return problems
