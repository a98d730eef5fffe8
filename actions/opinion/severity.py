"""How serious a post is, 0 to 4: a sum of visible, adjustable factors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from actions.opinion.lexicon import Lexicon
from actions.opinion.model import Factor, Severity
from actions.opinion.settings import SeveritySection
from nlp.sentiment import EMOTIONS, Feeling

_ALARMED = [EMOTIONS.index(name) for name in ("angry", "fear")]
FACTOR_NAMES = {
    "feeling": ("情绪", "feeling"),
    "action": ("要求处理", "asks for action"),
    "safety": ("安全", "safety"),
    "urgency": ("紧迫", "urgency"),
    "vulnerable": ("弱势群体", "vulnerable people"),
    "reach": ("影响面", "reach"),
    "growth": ("增长速度", "growth"),
    "repetition": ("反复出现", "repetition"),
}


def weigh(
    text: str,
    feeling: Feeling,
    lexicon: Lexicon,
    section: SeveritySection,
    *,
    reach: float = 0.0,
    growth: float = 0.0,
    copies: int = 0,
    again: int = 0,
) -> Severity:
    """Weigh one post.

    Args:
        text: the masked text.
        feeling: what the sentiment model reads in it.
        lexicon: word lists.
        section: weights and cuts.
        reach: people it may have reached.
        growth: posts on its topic in the last hour over what is usual, 0 when unknown.
        copies: reposts and duplicates of it.
        again: earlier posts on the topic by the same author.
    """
    danger = lexicon.safety(text)
    urgent = lexicon.urgency(text)
    people = lexicon.vulnerable(text)
    mood = feeling.negative * (0.6 if feeling.unsure else 1.0)
    alarmed = sum(feeling.emotions[at] for at in _ALARMED) if feeling.emotions else 0.0
    # Praise for the fire brigade speaks of fire too: joy takes the weight off words of danger.
    calm = max(0.0, feeling.positive - feeling.negative)
    values: dict[str, tuple[float, tuple[str, ...]]] = {
        "feeling": (mood * (0.7 + 0.3 * alarmed), ()),
        "action": (feeling.needs_action * (1 - feeling.positive), ()),
        "safety": (min(1.0, 0.75 + 0.25 * (len(danger) - 1)) * (1 - 0.8 * calm) if danger else 0.0, danger),
        "urgency": (min(1.0, 0.6 * len(urgent)) * (1 - calm) if urgent else 0.0, urgent),
        "vulnerable": ((1 - calm) * min(1.0, mood + (0.5 if danger else 0.0)) if people else 0.0, people),
        "reach": (min(1.0, math.log10(1 + max(reach, 0.0)) / 6) * (0.3 + 0.7 * mood), ()),
        "growth": (min(1.0, max(0.0, growth - 1) / 9) * (0.3 + 0.7 * mood), ()),
        "repetition": (min(1.0, math.log2(1 + copies + again) / 5) * (0.3 + 0.7 * mood), ()),
    }
    factors = tuple(
        Factor(name, value, value * section.weights[name], words)
        for name, (value, words) in values.items()
        if value > 0.01 and section.weights[name] > 0
    )
    score = sum(factor.points for factor in factors)
    return Severity(sum(score >= cut for cut in section.cuts), score, factors)


def fit_cuts(scores: Sequence[float], levels: Sequence[int]) -> list[float]:
    """Return the four cuts with the least sum of squared level errors on posts that people judged.

    Args:
        scores: of `weigh`, (n,).
        levels: what people said, 0 to 4, (n,).

    Raises:
        ValueError: fewer than ten posts, or a level outside 0 to 4.
    """
    if len(scores) < 10 or len(scores) != len(levels) or not set(levels) <= {0, 1, 2, 3, 4}:
        raise ValueError("needs at least ten posts with levels 0 to 4")
    grid = np.unique(np.round(np.linspace(0.04, max(1.2, max(scores)), 59), 3))
    values, gold = np.asarray(scores), np.asarray(levels)
    # Dynamic programme over rising cuts: cost of calling everything in [a, b) level k.
    edges = np.concatenate([[-1.0], grid, [np.inf]])
    band = np.searchsorted(grid, values, side="right")
    cost = np.zeros((5, len(edges)))
    for level in range(5):
        each = np.bincount(band, weights=(gold - level) ** 2, minlength=len(grid) + 1)
        cost[level] = np.concatenate([[0.0], np.cumsum(each)])
    best = cost[0].copy()
    back: list[np.ndarray] = []
    for level in range(1, 5):
        new, origin = np.full(len(edges), np.inf), np.zeros(len(edges), int)
        for end in range(level + 1, len(edges)):
            options = best[level:end] + cost[level][end] - cost[level][level:end]
            at = int(options.argmin())
            new[end], origin[end] = options[at], at + level
        back.append(origin)
        best = new
    end, found = len(edges) - 1, []
    for origin in reversed(back):
        end = int(origin[end])
        found.append(float(edges[end]))
    return [round(cut, 3) for cut in _rising(found[::-1])]


def _rising(cuts: list[float]) -> list[float]:
    fixed = [cuts[0]]
    for before, cut in itertools.pairwise(cuts):
        fixed.append(max(cut, fixed[-1] + 0.01, before + 0.001))
    return fixed
