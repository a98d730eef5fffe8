"""Computes the shipped lexicon from a dictionary and parallel sentences.

    python -m knowledge.lexicon.build --dictionary cedict.txt.gz --parallel pairs.en-zh.txt.gz

The dictionary is in CC-CEDICT's form, the sentences are lines `English<TAB>Chinese`; either may be left out.
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import jieba

from knowledge.alignment import Pair, align
from knowledge.article import LANGUAGES
from knowledge.lexicon import FORMS, SHIPPED, SURE, Lexicon, forms_of, from_alignment, words_of

_ENTRY = re.compile(r"\S+ (?P<word>\S+) \[[^\]]*\] /(?P<glosses>.*)/")
_ASIDE = re.compile(r"\([^)]*\)|\[[^\]]*\]|[^\x00-\x7f]+")
_NO_MEANING = re.compile(
    r"(?:CL:|(?:old |erhua |Japanese )?variant of|see |surname |also written|abbr\.|used in|same as)"
)
# Longer texts say less about which of their words are each other's (search words), longer entries are proverbs.
LONGEST = {"zh": 24, "en": 20}
LONGEST_ENTRY = 8


def dictionary_texts(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield each Chinese entry with each of its English meanings."""
    for line in lines:
        entry = _ENTRY.match(line)
        if entry is None or len(entry["word"]) > LONGEST_ENTRY:
            continue
        for gloss in re.split("[/;]", entry["glosses"]):
            if not _NO_MEANING.match(gloss.strip()) and "|" not in gloss:
                yield entry["word"], _ASIDE.sub(" ", gloss)


def sentence_texts(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield each Chinese sentence with its translation."""
    for line in lines:
        english, _, chinese = line.rstrip("\n").partition("\t")
        yield chinese, english


def lexicon_of(texts: Iterable[tuple[str, str]]) -> Lexicon:
    """Return the lexicon that Chinese texts and their translations teach."""
    pairs: list[Pair] = []
    english: list[str] = []
    for left, right in texts:
        words = list(dict.fromkeys(words_of(left))), words_of(right)
        if 0 < len(words[0]) <= LONGEST["zh"] and 0 < len(words[1]) <= LONGEST["en"]:
            pairs.append(words)
            english.append(right)
    return from_alignment(align(pairs), forms_of(english))


def save(lexicon: Lexicon, path: Path) -> int:
    """Write a lexicon without the Chinese words that jieba does not know; return how many words it has."""
    rows = []
    layer = lexicon.layers[0]
    stems = set()
    for language in LANGUAGES:
        for word, translations in sorted(layer[language].items()):
            kept = [(other, weight) for other, weight in translations if _is_common(other)]
            if kept and _is_common(word):
                cells = [f"{other}\t{round(weight * 100)}" for other, weight in kept]
                rows.append("\t".join([language, word, *cells]))
                stems |= {other for other, weight in kept if weight >= SURE}
    for stem, forms in sorted(layer[FORMS].items()):
        if stem in stems:
            rows.append("\t".join([FORMS, stem, *forms]))
    with open(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as stream:
        stream.write(("\n".join(rows) + "\n").encode())
    return len(rows)


def _is_common(word: str) -> bool:
    return word.isascii() or (jieba.dt.FREQ.get(word) or 0) > 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dictionary", type=Path)
    parser.add_argument("--parallel", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    texts: list[tuple[str, str]] = []
    for path, reader in ((arguments.dictionary, dictionary_texts), (arguments.parallel, sentence_texts)):
        if path is not None:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                texts += reader(lines)
    count = save(lexicon_of(texts), arguments.out)
    print(f"{arguments.out}: {count} rows from {len(texts)} pairs of texts")


if __name__ == "__main__":
    main()
