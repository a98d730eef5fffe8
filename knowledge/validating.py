"""Finds what is wrong with the articles as a whole: contradictions, duplicates, gaps, and what nobody can find."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlsplit

import numpy as np

from knowledge.article import LANGUAGES, Article
from knowledge.calibration import Calibration
from knowledge.importing import Progress
from knowledge.index import Index
from knowledge.ranking import make_query, search
from knowledge.snapshot import Filter, Mask
from knowledge.text import clean, fold, plain

SOON_DAYS = 30
NEAR_DUPLICATE = 0.97
# Cosine from which two phrasings are told apart by nobody.
RIVAL = 0.95
# Phrasings of a language, and neighbours, that are looked at for one article.
MAX_CHECKED, MAX_COMPARED = 40, 8
_LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)|(?<![\w(/])(https?://[^\s)>\]，。；、“”]+)")


@dataclass(frozen=True)
class Finding:
    """One thing to mend. `severity` is `error` (citizens get something wrong) or `warning`."""

    severity: str
    kind: str
    article_id: str
    message: str


def validate(
    index: Index,
    calibration: Calibration,
    today: date,
    *,
    reachability: bool = True,
    online: bool = False,
    progress: Progress | None = None,
) -> list[Finding]:
    """Check all published articles.

    Args:
        index: the index, up to date.
        calibration: of the index.
        today: the city's date.
        reachability: also search every phrasing (some milliseconds each).
        online: also ask for every link over the network.
        progress: told how far it is.

    Returns:
        The findings, errors first.
    """
    snapshot = index.snapshot
    articles = [
        index.store.version(facts.id, facts.version)
        for facts in (snapshot.facts(ref) for ref in map(snapshot.find, snapshot.ids) if ref is not None)
    ]
    findings = [
        *_contradictions(articles),
        *_gaps(articles),
        *_dates(articles, today),
        *_links(articles, online),
    ]
    findings += _near_duplicates(articles, index)
    if reachability:
        findings += _unreachable(articles, index, calibration, progress)
    return sorted(findings, key=lambda item: (item.severity != "error", item.kind, item.article_id))


def check_article(article: Article, index: Index, today: date) -> list[Finding]:
    """Check one article against all published ones, for who is writing it: fast enough for every save.

    Besides gaps, dates and links: titles and phrasings that another article has (`contradiction`) or nearly has
    (`rival`), and other articles that say nearly the same (`duplicate`).

    Args:
        article: as it stands in the editor; an older version of it that is public is not compared with it.
        index: the index, up to date.
        today: the city's date.
    """
    snapshot = index.snapshot
    masks = [mask.copy() for mask in snapshot.masks(Filter())]
    own = snapshot.find(article.id)
    if own is not None:
        masks[own[0]][own[1]] = False
    findings = [*_gaps([article]), *_dates([article], today), *_links([article], False)]
    for language in LANGUAGES:
        texts = [article.title.get(language, ""), *article.questions.get(language, ())]
        texts = [text for text in texts if text][:MAX_CHECKED]
        vectors = index.encoder.encode([clean(text) for text in texts])
        for text, vector in zip(texts, vectors, strict=True):
            same = snapshot.exact(text, masks)
            if same:
                name = snapshot.facts(same[0]).id
                message = f"“{text}” is also a title or phrasing of {name}"
                findings.append(Finding("error", "contradiction", article.id, message))
                continue
            near = [hit for hit in snapshot.dense(vector, language, 5, masks) if hit.kind != "passage"]
            if near and near[0].cosine > RIVAL:
                name = snapshot.facts(near[0].article).id
                message = f"“{text}” is nearly a title or phrasing of {name}"
                findings.append(Finding("warning", "rival", article.id, message))
        findings += _duplicates_of(article, language, index, masks)
    return sorted(findings, key=lambda item: (item.severity != "error", item.kind))


def _duplicates_of(article: Article, language: str, index: Index, masks: Sequence[Mask]) -> Iterable[Finding]:
    if not article.answer.get(language):
        return
    snapshot = index.snapshot
    vector = index.encoder.encode([_whole(article, language)])[0]
    near = dict.fromkeys(hit.article for hit in snapshot.dense(vector, language, 40, masks))
    others = [index.store.version(f.id, f.version) for f in map(snapshot.facts, list(near)[:MAX_COMPARED])]
    others = [other for other in others if other.answer.get(language)]
    if not others:
        return
    cosines = index.encoder.encode([_whole(other, language) for other in others]) @ vector
    for other, cosine in zip(others, cosines.tolist(), strict=True):
        if cosine > NEAR_DUPLICATE:
            message = f"says in {language} nearly the same as {other.id}"
            yield Finding("warning", "duplicate", article.id, message)


def _whole(article: Article, language: str) -> str:
    """Return title and beginning of the answer, which stand for the article when two are compared."""
    return f"{clean(article.title_in(language))} {clean(plain(article.answer[language]))[:300]}"


def _contradictions(articles: Sequence[Article]) -> Iterable[Finding]:
    owners: dict[str, list[str]] = {}
    for article in articles:
        texts = [*article.title.values(), *(text for texts in article.questions.values() for text in texts)]
        for folded in {fold(text) for text in texts} - {""}:
            owners.setdefault(folded, []).append(article.id)
    for folded, ids in owners.items():
        for name in ids[1:]:
            yield Finding(
                "error", "contradiction", name, f"“{folded}” is also a title or phrasing of {ids[0]}"
            )


def _gaps(articles: Sequence[Article]) -> Iterable[Finding]:
    for article in articles:
        for language in LANGUAGES:
            if not article.answer.get(language):
                yield Finding("warning", "language", article.id, f"no answer in {language}")
            elif not article.title.get(language):
                yield Finding("warning", "language", article.id, f"no title in {language}")
            elif not article.questions.get(language):
                yield Finding("warning", "phrasings", article.id, f"no phrasing in {language}")
        if not article.topic:
            yield Finding(
                "warning", "topic", article.id, "no `topic:` tag: follow-up questions cannot use it"
            )


def _dates(articles: Sequence[Article], today: date) -> Iterable[Finding]:
    for article in articles:
        if article.valid_until is not None and article.valid_until < today:
            yield Finding(
                "error", "expired", article.id, f"expired on {article.valid_until}; it is no longer given"
            )
        elif article.valid_until is not None and article.valid_until <= today + timedelta(days=SOON_DAYS):
            yield Finding("warning", "expires", article.id, f"expires on {article.valid_until}")
        if article.valid_from is not None and article.valid_from > today:
            yield Finding("warning", "not yet", article.id, f"not given before {article.valid_from}")


def _links(articles: Sequence[Article], online: bool) -> Iterable[Finding]:
    checked: dict[str, str] = {}
    for article in articles:
        found = [match[1] or match[2] for text in article.answer.values() for match in _LINK.finditer(text)]
        for link in dict.fromkeys([*filter(None, [article.source_url]), *found]):
            if link.startswith("/files/"):
                continue
            parts = urlsplit(link)
            if parts.scheme not in ("http", "https", "tel", "mailto") or (
                parts.scheme.startswith("http") and not parts.netloc
            ):
                yield Finding("error", "link", article.id, f"{link} is no complete address")
            elif online and parts.scheme.startswith("http"):
                if link not in checked:
                    checked[link] = _probe(link)
                if checked[link]:
                    yield Finding("warning", "link", article.id, f"{link}: {checked[link]}")


def _probe(link: str) -> str:
    request = urllib.request.Request(link, method="HEAD", headers={"User-Agent": "chengda-validate"})
    try:
        with urllib.request.urlopen(request, timeout=8):
            return ""
    except urllib.error.HTTPError as error:
        # Some servers do not answer HEAD; that does not make a link broken.
        return "" if error.code in (403, 405, 501) else f"answers {error.code}"
    except (OSError, ValueError) as error:
        return f"cannot be reached ({error})"


def _near_duplicates(articles: Sequence[Article], index: Index) -> Iterable[Finding]:
    for language in LANGUAGES:
        known = [article for article in articles if article.answer.get(language)]
        if len(known) < 2:
            continue
        vectors = index.encoder.encode([_whole(item, language) for item in known])
        for start in range(0, len(known), 512):
            cosines = vectors[start : start + 512] @ vectors.T
            for row, column in np.argwhere(cosines > NEAR_DUPLICATE):
                first, second = known[column], known[start + row]
                if column < start + row:
                    yield Finding(
                        "warning", "duplicate", second.id, f"says in {language} nearly the same as {first.id}"
                    )


def _unreachable(
    articles: Sequence[Article], index: Index, calibration: Calibration, progress: Progress | None
) -> Iterable[Finding]:
    snapshot = index.snapshot
    for number, article in enumerate(articles):
        if progress and number % 10 == 0:
            progress("phrasings", number, len(articles))
        for language, phrasings in article.questions.items():
            for phrasing in phrasings:
                query = make_query(phrasing, language, snapshot, index.encoder, index.stop_words)
                found = [
                    hit.facts.id
                    for hit in search(query, snapshot, Filter(), calibration, use_exact=False)[:3]
                ]
                if article.id not in found:
                    others = ", ".join(found) or "nothing"
                    yield Finding(
                        "warning",
                        "unreachable",
                        article.id,
                        f"its phrasing “{phrasing}” finds {others} instead",
                    )
    if progress:
        progress("phrasings", len(articles), len(articles))
