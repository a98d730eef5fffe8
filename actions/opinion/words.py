"""Words that can name a topic: Chinese cut by jieba with the city's names, English without small words."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

import jieba

from nlp.entities.gazetteer import Gazetteer
from nlp.joint_text import prepare

jieba.setLogLevel(logging.ERROR)
_PIECE = re.compile("[\u3400-\u9fff]+|[a-z]+(?:['’][a-z]+)?")
_LABEL = re.compile(r"\[(?:email|id|card|phone|plate|name|number)\]")
_STOP_ZH = frozenset(
    "我们 你们 他们 她们 自己 大家 有人 没有 没人 这个 那个 这么 那么 什么 怎么 怎么办 为什么 多少 几天 一个 一下 一直 "
    "现在 今天 昨天 昨晚 明天 刚才 刚刚 这两天 最近 已经 还是 还有 还在 不是 不能 不要 不了 可以 可能 知道 觉得 希望 请问 "
    "真的 真是 非常 特别 太过分 到底 就是 都是 但是 因为 所以 如果 而且 然后 时候 时间 问题 情况 东西 地方 事情 投诉 反映 "
    "建议 转发 微博 附近 旁边 门口 周边 出来 起来 下来 过来 上面 下面 里面 外面 有关 部门 相关 谢谢 感谢 人来 个人 天了 "
    "半天 好几天 小时 分钟 早上 晚上 半夜 上午 下午 居然 竟然 完全 根本 简直 赶紧 马上 立刻 多次 又是 不到 看看 管管".split()
)
_STOP_EN = frozenset(
    "the a an and or but of to in on at for from by with is are was were be been being it its this that these those i me "
    "my we our you your he she they them their not no nor so too very just also again still yet all any some more most "
    "than then there here what which who when where why how can could will would should may might must do does did done "
    "have has had get got go going gone up down out off over under near around about into after before since until while "
    "please thanks thank hello anyone everyone someone nobody people today tomorrow yesterday tonight now day days week "
    "weeks hour hours minute minutes morning night time one two three four five six seven eight nine ten rt amp user "
    "really don't doesn't isn't can't won't i'm it's that's what's there's like even ever never always because if".split()
)


class WordCutter:
    """Cuts texts into words; the city's names stay whole. Safe to use from one thread at a time."""

    def __init__(self, gazetteer: Gazetteer | None, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._jieba = jieba.Tokenizer()
        self._jieba.tmp_dir = str(cache)
        self._jieba.initialize()
        for name in _names(gazetteer):
            self._jieba.add_word(name)

    def words(self, text: str) -> list[str]:
        """Return the words of a text that say something, in order."""
        found: list[str] = []
        for piece in _PIECE.findall(_LABEL.sub(" ", prepare(text)).lower()):
            if piece.isascii():
                if len(piece) > 2 and piece not in _STOP_EN:
                    found.append(piece)
            else:
                found += [word for word in self._jieba.cut(piece) if len(word) > 1 and word not in _STOP_ZH]
        return found


def _names(gazetteer: Gazetteer | None) -> Iterable[str]:
    for entry in gazetteer.entries if gazetteer is not None else ():
        if entry.entity != "waste_item":
            yield from (name for name in entry.spellings() if len(name) > 1 and not name.isascii())
