"""What is wrong or odd about a labelled set, said before an hour is spent on it."""

from __future__ import annotations

from collections import defaultdict

from rapidfuzz.distance import Levenshtein

from training.nlu.data import DataSet
from training.nlu.errors import LabelError

MOST_INTENTS = 2000
_SHOWN = 5


def check_labels(data: DataSet) -> list[str]:
    """Return notes on labels for people.

    Raises:
        LabelError: when there is one class only, or every text has a class of its own.
    """
    counts = data.counts()
    if len(counts) < 2:
        only = next(iter(counts), "none")
        raise LabelError(
            f"the data hold one intent only ({only!r}); a classifier needs two or more, "
            "for example add `out_of_scope` texts"
        )
    if len(counts) > MOST_INTENTS:
        raise LabelError(
            f"the data hold {len(counts)} intents, more than {MOST_INTENTS}; is the second column the label?"
        )
    total = sum(counts.values())
    if len(counts) > 20 and len(counts) > 0.7 * total:
        raise LabelError(
            f"{len(counts)} intents for {total} texts; the label seems not to be in the second column"
        )
    notes = []
    single = sorted(name for name, count in counts.items() if count == 1)
    if single:
        notes.append(f"{len(single)} intent(s) have a single example: {_some(single)}; add more of them")
    notes += _typos(data)
    notes += _contradictions(data)
    return notes


def _typos(data: DataSet) -> list[str]:
    """Rare labels one or two letters from a frequent one are likely slips."""
    counts = data.counts()
    found = []
    rare = [name for name, count in counts.items() if count <= 3 and len(name) >= 4]
    for name in sorted(rare):
        for other, count in counts.items():
            if other == name or count < 5 * counts[name] or abs(len(other) - len(name)) > 2:
                continue
            limit = 1 if len(name) < 8 else 2
            if Levenshtein.distance(name, other, score_cutoff=limit) <= limit:
                found.append(f"{name!r} ({counts[name]}) for {other!r} ({count})")
                break
    return [f"label(s) that look like typing slips: {_some(found)}; mend them in the data"] if found else []


def _contradictions(data: DataSet) -> list[str]:
    labels: dict[str, set[str]] = defaultdict(set)
    for example in data.examples:
        labels[example.text.strip().lower()].add(example.intent)
    both = sorted(text for text, names in labels.items() if len(names) > 1)
    if not both:
        return []
    return [f"{len(both)} text(s) stand under more than one intent, such as {both[0][:60]!r}"]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
