"""Choose the pieces of the bilingual vocabulary and build its Unigram tokenizer.

Pieces come from USE's SentencePiece model (Kudo 2018, Unigram) as far as the corpus uses them, from the
frequent whole English words of MiniLM, and from single characters of both Chinese scripts.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import jieba
import numpy as np
import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from training.base.corpus import Corpus
from training.base.folding import folding_normalizer, traditional_to_simplified
from training.base.parents import minilm_dir, use_dir
from training.base.settings import BaseSettings

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SPACE = "▁"
_HAN = r"[\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_HAN_ONLY = re.compile(_HAN + "+$")
_HAN_RUN = re.compile(_HAN + "+")
_USEFUL = re.compile(rf"{SPACE}?([a-z\u00df-\u024f]+|[0-9]+|{_HAN}+|[\u3041-\u30ff]+|\W)$")
_PARTICLES = frozenset("的了在是到去从往和与及吗呢吧把被给对")
_LONGEST_HAN = 4
_BASIC = (
    "abcdefghijklmnopqrstuvwxyz0123456789" + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" + "。、《》“”‘’…·—℃°¥€£"
)


@dataclass(frozen=True)
class Vocabulary:
    """Pieces with their log probabilities; ids are positions and the specials come first."""

    pieces: list[str]
    scores: list[float]


def is_han(piece: str) -> bool:
    """Say whether a piece consists of Chinese characters only."""
    return bool(_HAN_ONLY.match(piece))


def build_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """Build the fast tokenizer: NFKC, lower case, simplified characters, words marked by ▁, [CLS] x [SEP].

    Chinese runs and punctuation marks stand alone: an entity never shares a piece with the comma after it,
    and `打开wifi` gives the same English piece as `open wifi`.
    """
    tokenizer = Tokenizer(
        models.Unigram(list(zip(vocabulary.pieces, vocabulary.scores, strict=True)), unk_id=1)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            folding_normalizer(),
            normalizers.Replace(Regex(r"[\p{Cc}\p{Cf}\s▁]+"), " "),
            normalizers.Strip(),
        ]
    )
    han = r"\p{Han}"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(rf"{han}+"), "isolated"),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True),
            pre_tokenizers.Split(Regex(rf"{SPACE}(?=[{han}\p{{P}}\p{{S}}]|$)"), "removed"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def _candidates() -> dict[str, float]:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(use_dir() / "sp.model"))
    fold = str.maketrans(traditional_to_simplified())
    pieces: dict[str, float] = {}
    for number in range(processor.get_piece_size()):
        if processor.is_control(number) or processor.is_unknown(number):
            continue
        piece = unicodedata.normalize("NFKC", processor.id_to_piece(number)).lower().translate(fold)
        bare = piece.lstrip(SPACE)
        if not _USEFUL.match(piece) or not bare:
            continue
        if is_han(bare) or not bare.isalnum():
            piece = bare
        if is_han(piece) and len(piece) > _LONGEST_HAN:
            continue
        pieces[piece] = max(pieces.get(piece, -math.inf), float(processor.get_score(number)))
    return {piece: score for piece, score in pieces.items() if not _glued(piece, pieces)}


def _glued(piece: str, pieces: dict[str, float]) -> bool:
    """A place or time glued to a particle (`去北京`) would hide an entity's border, so such pieces go."""
    if len(piece) < 3 or not is_han(piece):
        return False
    return (piece[0] in _PARTICLES and piece[1:] in pieces) or (
        piece[-1] in _PARTICLES and piece[:-1] in pieces
    )


def _english_words() -> set[str]:
    lines = (minilm_dir() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line.isascii() and line.isalpha() and len(line) > 2}


def _add_english_words(pieces: dict[str, float], corpus: Corpus, minimum: int) -> None:
    """Add MiniLM's whole words that the corpus uses; their rows are then copied, not mapped."""
    counts: Counter[str] = Counter()
    for text in corpus.en + [pair[0] for pair in corpus.pairs]:
        counts.update(re.findall(r"[a-z]+", text.lower()))
    words = _english_words()
    _score_words(pieces, {w: n for w, n in counts.items() if w in words and n >= minimum}, SPACE)


def _add_chinese_words(pieces: dict[str, float], corpus: Corpus, minimum: int) -> None:
    """Add dictionary words of two to four characters that USE splits (`天 气`), scored like the English ones.

    USE knows only some 4 500 Chinese words; whole words shorten a sentence by a fifth and give each word its
    own row.
    """
    jieba.setLogLevel("ERROR")
    jieba.initialize()
    counts: Counter[str] = Counter()
    for line in corpus.zh:
        for run in _HAN_RUN.findall(line):
            for size in range(2, _LONGEST_HAN + 1):
                counts.update(run[i : i + size] for i in range(len(run) - size + 1))
    words = {
        w: n for w, n in counts.items() if n >= minimum and jieba.dt.FREQ.get(w) and w[0] not in _PARTICLES
    }
    _score_words(pieces, words, "")


def _score_words(pieces: dict[str, float], counts: Mapping[str, int], prefix: str) -> None:
    """Add words with scores on USE's scale, read off a line fitted to the words USE has."""
    known = [(math.log(n), pieces[prefix + word]) for word, n in counts.items() if prefix + word in pieces]
    if len(known) < 50:
        return
    counted, scored = np.array(known).T
    slope, offset = np.polyfit(counted, scored, 1)
    for word, count in counts.items():
        pieces.setdefault(prefix + word, float(slope * math.log(count) + offset))


def _characters(corpus: Corpus) -> set[str]:
    """Characters to keep whatever their count: the basic set and each frequent Chinese character."""
    fold = str.maketrans(traditional_to_simplified())
    counts: Counter[str] = Counter()
    for line in corpus.zh:
        counts.update(unicodedata.normalize("NFKC", line).lower().translate(fold))
    return set(_BASIC) | {char for char, count in counts.items() if count >= 4 and is_han(char)}


def _texts(corpus: Corpus) -> Iterator[str]:
    yield from corpus.zh
    yield from corpus.en
    for english, chinese in corpus.pairs:
        yield english
        yield chinese


def _chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, size)):
        yield chunk


def choose_vocabulary(corpus: Corpus, settings: BaseSettings) -> Vocabulary:
    """Count candidate pieces over the corpus and keep the used ones plus the characters that must stay."""
    pieces = _candidates()
    must = _characters(corpus)
    floor = min(pieces.values())
    _add_english_words(pieces, corpus, settings.word_min_count)
    _add_chinese_words(pieces, corpus, settings.han_word_min_count)
    for char in must | {SPACE} | {SPACE + char for char in _BASIC[:36]}:
        pieces.setdefault(char, floor)
    counts: Counter[int] = Counter()
    draft = Vocabulary([*SPECIAL, *pieces], [0.0] * len(SPECIAL) + list(pieces.values()))
    tokenizer = build_tokenizer(draft)
    for chunk in _chunks(_texts(corpus), 20_000):
        for encoding in tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
            counts.update(encoding.ids)
    ranked = sorted(pieces, key=lambda piece: -counts[tokenizer.token_to_id(piece)])
    keep = {piece for piece in ranked if len(piece.lstrip(SPACE)) == 1 and (piece in must or is_han(piece))}
    keep |= {piece for piece in pieces if len(piece.lstrip(SPACE)) == 1 and piece.lstrip(SPACE) in _BASIC} | {
        SPACE
    }
    for piece in ranked:
        if (
            len(keep) >= settings.max_pieces
            or counts[tokenizer.token_to_id(piece)] < settings.piece_min_count
        ):
            break
        keep.add(piece)
    chosen = [piece for piece in ranked if piece in keep]
    return Vocabulary([*SPECIAL, *chosen], [0.0] * len(SPECIAL) + [pieces[piece] for piece in chosen])
