"""Read the unlabelled text, clean it, and keep every evaluation sentence out of it."""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import opencc

from training.base.settings import BaseSettings

_NOT_WORD = re.compile(r"[\W_]+")
_MARKUP = re.compile(r":[a-zA-Z:+-]+:`[!~]?([^`<]*?)(?:\s*<[^>`]*>)?`")
_CODE = re.compile(r"[`:*_(){}<>\\|]")
MAX_CHARACTERS = {"zh": 160, "en": 400}
MAX_PAIR = {"zh": 45, "en": 90}


class CorpusError(Exception):
    """The corpus folder lacks a file or holds an unreadable line."""


@dataclass(frozen=True)
class Corpus:
    """Clean training text and the sentences held out for measuring."""

    zh: list[str]
    en: list[str]
    pairs: list[tuple[str, str]]


@lru_cache(maxsize=1)
def _simplifier() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def sentence_key(text: str) -> str:
    """Return the form under which two sentences count as the same one.

    Unicode NFKC, lower case, simplified characters, punctuation and spaces dropped, so that a leaked
    evaluation sentence is found although its punctuation or script differs.
    """
    folded = _NOT_WORD.sub("", unicodedata.normalize("NFKC", text).lower())
    return str(_simplifier().convert(folded)) if not folded.isascii() else folded


def strip_markup(text: str) -> str:
    """Remove reStructuredText roles, code marks and emphasis from a documentation sentence."""
    text = _MARKUP.sub(r"\1", text)
    return re.sub(r"\s+", " ", text.replace("`", "").replace("**", "").replace("::", ":")).strip()


def read_lines(path: Path) -> Iterator[str]:
    """Yield the non-empty lines of a text or gzip file.

    Raises CorpusError when the file is missing.
    """
    if not path.exists():
        raise CorpusError(f"{path}: not found; give --source the folder that holds it")
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as packed:
            yield from (line.rstrip("\n") for line in packed if line.strip())
    else:
        with path.open(encoding="utf-8") as plain:
            yield from (line.rstrip("\n") for line in plain if line.strip())


def evaluation_keys(paths: Iterable[Path]) -> set[str]:
    """Collect the sentence keys of evaluation files (TSV with a `text` column, or plain lines)."""
    keys: set[str] = set()
    for path in paths:
        lines = list(read_lines(path))
        header = lines[0].split("\t") if lines else []
        column = header.index("text") if "text" in header else 0
        for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if len(row) > column:
                keys.add(sentence_key(row[column]))
    keys.discard("")
    return keys


def _is_plain_sentence(english: str, chinese: str) -> bool:
    return (
        len(english) <= 70
        and not _CODE.search(english + chinese)
        and english[-1] in ".?!"
        and chinese[-1] in "。？！"
    )


def _components(pairs: list[tuple[str, str]]) -> list[list[int]]:
    """Group pair numbers that share a sentence on either side (union-find)."""
    parent = list(range(len(pairs)))

    def find(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    seen: dict[str, int] = {}
    for number, (english, chinese) in enumerate(pairs):
        for key in ("e" + sentence_key(english), "z" + sentence_key(chinese)):
            if key in seen:
                parent[find(number)] = find(seen[key])
            else:
                seen[key] = number
    groups: dict[int, list[int]] = {}
    for number in range(len(pairs)):
        groups.setdefault(find(number), []).append(number)
    return list(groups.values())


@dataclass(frozen=True)
class HeldOut:
    """Sentences kept out of training: translations, paraphrases, and the pair numbers they use."""

    pairs: list[tuple[str, str]]
    paraphrase_zh: list[tuple[str, str]]
    paraphrase_en: list[tuple[str, str]]
    used: set[int]


def hold_out(pairs: list[tuple[str, str]], settings: BaseSettings) -> HeldOut:
    """Choose whole groups of connected pairs, so no held-out sentence keeps a translation in training.

    Two different translations of one sentence serve as a paraphrase pair of that language.
    """
    rng = random.Random(settings.seed)
    groups = [
        group
        for group in _components(pairs)
        if len(group) <= 12 and all(_is_plain_sentence(*pairs[i]) for i in group)
    ]
    rng.shuffle(groups)
    translations: list[tuple[str, str]] = []
    same: dict[str, list[tuple[str, str]]] = {"zh": [], "en": []}
    used: set[int] = set()
    for group in groups:
        english = {sentence_key(pairs[i][0]): pairs[i][0] for i in group}
        chinese = {sentence_key(pairs[i][1]): pairs[i][1] for i in group}
        if len(group) == 1:
            if len(translations) < settings.heldout_pairs:
                translations.append(pairs[group[0]])
                used.update(group)
        elif len(chinese) > 1 and len(english) == 1 and len(same["zh"]) < settings.heldout_paraphrases:
            first, second = sorted(chinese.values())[:2]
            same["zh"].append((first, second))
            used.update(group)
        elif len(english) > 1 and len(chinese) == 1 and len(same["en"]) < settings.heldout_paraphrases:
            first, second = sorted(english.values())[:2]
            same["en"].append((first, second))
            used.update(group)
    return HeldOut(translations, same["zh"], same["en"], used)


def _clean(lines: Iterable[str], language: str, banned: set[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        text = line.strip()
        if len(text) > MAX_CHARACTERS[language]:
            continue
        key = sentence_key(text)
        if key and key not in banned:
            kept.append(text)
    return kept


def build_corpus(settings: BaseSettings) -> dict[str, int]:
    """Write the filtered corpus and the held-out sets under `work`; return line counts.

    Raises CorpusError when `source` lacks zh.txt.gz, en.txt.gz or parallel.en-zh.txt.gz.
    """
    work = settings.work
    done = work / "corpus.json"
    if done.exists():
        return {str(k): int(v) for k, v in json.loads(done.read_text(encoding="utf-8")).items()}
    work.mkdir(parents=True, exist_ok=True)
    pairs = _read_pairs(settings.source / "parallel.en-zh.txt.gz")
    held = hold_out(pairs, settings)
    banned = evaluation_keys(settings.evaluation)
    for numbers in held.used:
        banned.update(sentence_key(side) for side in pairs[numbers])
    counts = {"evaluation_keys": len(banned)}
    rng = random.Random(settings.seed + 1)
    for language in ("zh", "en"):
        lines = _clean(read_lines(settings.source / f"{language}.txt.gz"), language, banned)
        rng.shuffle(lines)
        spare = min(settings.distractors, len(lines) // 10)
        _write(work / f"distractors.{language}.txt", lines[:spare])
        _write(work / f"{language}.txt", lines[spare:])
        counts[language] = len(lines) - spare
    kept = _clean_pairs(pairs, held.used, banned)
    _write_pairs(work / "pairs.tsv", kept)
    _write_pairs(work / "heldout.tsv", held.pairs)
    _write_pairs(work / "paraphrase.zh.tsv", held.paraphrase_zh)
    _write_pairs(work / "paraphrase.en.tsv", held.paraphrase_en)
    counts.update(
        pairs=len(kept),
        heldout=len(held.pairs),
        zh_paraphrases=len(held.paraphrase_zh),
        en_paraphrases=len(held.paraphrase_en),
    )
    done.write_text(json.dumps(counts, indent=2), encoding="utf-8")
    return counts


def _clean_pairs(pairs: list[tuple[str, str]], used: set[int], banned: set[str]) -> list[tuple[str, str]]:
    kept = []
    for number, (english, chinese) in enumerate(pairs):
        if number in used or len(chinese) > MAX_PAIR["zh"] or len(english) > MAX_PAIR["en"]:
            continue
        english, chinese = strip_markup(english), strip_markup(chinese)
        keys = (sentence_key(english), sentence_key(chinese))
        if all(keys) and keys[0] != keys[1] and not banned.intersection(keys):
            kept.append((english, chinese))
    return kept


def _read_pairs(path: Path) -> list[tuple[str, str]]:
    pairs = []
    for line in read_lines(path):
        english, tab, chinese = line.partition("\t")
        if tab and english.strip() and chinese.strip():
            pairs.append((english.strip(), chinese.strip()))
    return pairs


def load_corpus(work: Path) -> Corpus:
    """Read the filtered corpus that `build_corpus` wrote. Raises CorpusError when it was not built."""
    return Corpus(
        zh=list(read_lines(work / "zh.txt")),
        en=list(read_lines(work / "en.txt")),
        pairs=load_pairs(work / "pairs.tsv"),
    )


def load_pairs(path: Path) -> list[tuple[str, str]]:
    """Read tab-separated pairs written by `build_corpus`."""
    return _read_pairs(path)


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _write_pairs(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    _write(path, (f"{first}\t{second}" for first, second in pairs))
