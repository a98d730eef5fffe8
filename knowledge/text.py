"""Normal forms and search words of Chinese and English text."""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache

import jieba
import opencc
import snowballstemmer

jieba.setLogLevel(60)

_INVISIBLE = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_SPACE = re.compile(r"\s+")
_PIECE = re.compile(r"[㐀-䶿一-鿿]+|[a-z0-9]+(?:['’][a-z]+)?")
_HAN = re.compile(r"[㐀-䶿一-鿿]")
_MARKUP = re.compile(r"\*\*|__|^#{1,6}\s+|^\s*[-*+]\s+|`|\[(?P<label>[^\]]*)\]\([^)]*\)", re.MULTILINE)
# From two characters with a letter on, up to a sentence; between repetitions there may be signs.
_REPEATED = re.compile(
    r"(?P<unit>(?=[\W\d_]*[^\W\d_])(?!(.)\2+[\W_]*\2)\w[^\n]{1,40}?)(?:[\W_]*(?P=unit)){2,}"
)
_NOT_WORD = re.compile(r"[\W_]+")

# Words that say nothing about the subject: they would only add noise to the lexical score.
STOP_ZH = frozenset(
    "的 了 吗 呢 吧 啊 呀 嘛 么 啦 哦 哈 就 都 也 还 又 很 太 在 是 有 我 你 您 他 她 它 我们 你们 他们 这 那 "
    "这个 那个 这里 那里 一个 一下 和 与 及 或 但 被 把 给 对 从 到 去 来 上 下 里 中 要 想 能 会 可以 可 该 "
    "应该 需要 得 着 过 之 其 什么 怎么 怎样 如何 咋 咋办 咋样 啥 哪 哪个 谁 请问 请 问 麻烦 谢谢 "
    "你好 您好 吗 没 没有 不 不是 是不是 有没有 能不能 可不可以 怎么办 用 让 再 才 跟 于 向 比 以 "
    "现在 一些 有些 时候 然后 因为 所以 如果 的话 知道 告诉 想要 "
    "俺 咱 咱们 俺们 俺家 我家 家里 哎 唉 嗯 喂 哪儿 那儿 这儿 干啥 办 弄 搞 整".split()
)
STOP_EN = frozenset(
    "a an the and or but if of to in on at for from by with as is am are was were be been being do does did "
    "doing have has had having i me my mine we us our you your he him his she her it its they them their "
    "this that these those there here what which who whom whose when where why how can could may might must "
    "shall should will would not no yes so too very just also any some all into out up down about over again "
    "please tell know want need like get got go hi hello hey thanks thank than then once only own same such "
    "s t m re ve d ll don im id ive whats hows wheres theres cant dont doesnt isnt someone something".split()
)

_to_simplified = opencc.OpenCC("t2s")
_stemmer = snowballstemmer.stemmer("english")
_lock = threading.Lock()


def warm_up() -> None:
    """Load jieba's dictionary now instead of at the first question."""
    with _lock:
        jieba.initialize()


def clean(text: str) -> str:
    """Return text as a person would retype it: NFKC, simplified characters, no invisible ones, single spaces."""
    text = unicodedata.normalize("NFKC", text)
    text = _INVISIBLE.sub("", text)
    text = _SPACE.sub(" ", text).strip()
    return str(_to_simplified.convert(text)) if _HAN.search(text) else text


def tidy(text: str) -> str:
    """Return text as it was written, without invisible characters and superfluous spaces."""
    return _SPACE.sub(" ", _INVISIBLE.sub("", text)).strip()


def plain(text: str) -> str:
    """Return Markdown text without its marks."""
    return _MARKUP.sub(lambda found: found.group("label") or "", text).strip()


def fold(text: str) -> str:
    """Return the form in which two texts are "the same question": cleaned, lower case, no punctuation."""
    cleaned = clean(text).lower()
    return _NOT_WORD.sub("" if _HAN.search(cleaned) else " ", cleaned).strip()


def unrepeated(text: str) -> tuple[str, int]:
    """Return a text with what is said three times or more in a row said once, and how often the most repeated was.

    Single characters and digits may stand in a row: "好好好", "2000".
    """
    most = 1

    def once(found: re.Match[str]) -> str:
        nonlocal most
        unit = found["unit"]
        most = max(most, found[0].count(unit))
        return unit

    return _REPEATED.sub(once, text).strip(), most


def has_han(text: str) -> bool:
    """Return whether text has a Chinese character."""
    return _HAN.search(text) is not None


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    # The stemmer keeps its word in itself, so two threads must not share it at once.
    with _lock:
        return str(_stemmer.stemWord(word))


@lru_cache(maxsize=20_000)
def _han_words(run: str) -> tuple[str, ...]:
    words = [word for word in jieba.cut_for_search(run) if word not in STOP_ZH]
    bigrams = ["_" + run[i : i + 2] for i in range(len(run) - 1) if run[i : i + 2] not in STOP_ZH]
    return tuple(words + bigrams)


def search_words(text: str, stop_words: frozenset[str] = frozenset()) -> list[str]:
    """Return the lexical terms of a text.

    Chinese runs give jieba's search words and character bigrams (marked with `_`), Latin ones Snowball stems;
    a text may mix both.

    Args:
        text: any text.
        stop_words: further words to leave out, in normal form.
    """
    terms: list[str] = []
    for piece in _PIECE.findall(clean(text).lower()):
        if _HAN.match(piece):
            terms.extend(_han_words(piece))
            continue
        word = piece.replace("’", "'").split("'")[0]
        if word not in STOP_EN:
            terms.append(_stem(word))
    return [term for term in terms if term not in stop_words] if stop_words else terms
