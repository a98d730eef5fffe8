"""The inbox's groups, prepared in the background, and what is done with one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from console.nlu.examples import ExampleError, Examples
from console.prepared import Prepared, Ready
from knowledge.article import Article
from knowledge.feedback import Cluster, Feedback
from knowledge.service import KnowledgeService

KINDS = ("unanswered", "abandoned", "down")
LIMIT = 500


@dataclass(frozen=True)
class Group:
    """Questions about the same, as the list shows them."""

    items: Sequence[Feedback]
    article_id: str | None
    article_title: Mapping[str, str]
    probability: float

    @property
    def ids(self) -> str:
        return ",".join(str(item.id) for item in self.items)

    @property
    def question(self) -> str:
        return self.items[0].question

    @property
    def language(self) -> str:
        return self.items[0].language

    @property
    def kinds(self) -> Mapping[str, int]:
        return Counter(item.kind for item in self.items)

    @property
    def languages(self) -> Mapping[str, int]:
        return Counter(item.language for item in self.items)

    @property
    def examples(self) -> list[str]:
        """The different wordings, the most typical first."""
        return list(dict.fromkeys(item.question for item in self.items))

    @property
    def comments(self) -> list[str]:
        return list(dict.fromkeys(item.comment for item in self.items if item.comment))

    @property
    def latest(self) -> datetime:
        return max(item.created_at for item in self.items)


class InboxGroups:
    """The open questions in groups.

    Args:
        knowledge: the knowledge base whose feedback it is.
        examples: where training examples are added.
    """

    def __init__(self, knowledge: KnowledgeService, examples: Examples) -> None:
        self.knowledge = knowledge
        self.examples = examples
        self._prepared: Prepared[list[Group]] = Prepared(self._compute, self._state)

    def get(self, wait_s: float | None = None) -> Ready[list[Group]]:
        """Return the groups as last computed, without what was dealt with since; see `Prepared.get`."""
        ready = self._prepared.get(wait_s)
        if ready.fresh or not ready.value:
            return ready
        waiting = self.knowledge.curator.queue.waiting([i.id for group in ready.value for i in group.items])
        left = [replace(g, items=[i for i in g.items if i.id in waiting]) for g in ready.value]
        return replace(ready, value=[group for group in left if group.items])

    def one(self, ids: Sequence[int]) -> Group | None:
        """Return a group of these questions, `None` when none of them is waiting any more."""
        items = self.knowledge.curator.queue.entries(ids=ids, limit=LIMIT)
        if not items:
            return None
        order = {number: place for place, number in enumerate(ids)}
        cluster = Cluster(sorted(items, key=lambda item: order[item.id]))
        for group in self.get().value or ():
            if set(ids) & {item.id for item in group.items}:
                cluster = Cluster(cluster.items, group.article_id, group.probability)
        return self._group(cluster)

    def add_phrasings(self, ids: Sequence[int], article_id: str, by: str) -> Article:
        """See `Curator.add_phrasings`."""
        return self.knowledge.curator.add_phrasings(ids, article_id, by=by)

    def start_article(self, ids: Sequence[int], by: str) -> Article:
        """See `Curator.start_article`."""
        return self.knowledge.curator.start_article(ids, by=by)

    def dismiss(self, ids: Sequence[int], by: str, reason: str) -> None:
        """Put questions aside."""
        self.knowledge.curator.dismiss(ids, by=by, reason=reason)

    def teach(self, ids: Sequence[int], intent: str, by: str) -> list[str]:
        """Make questions training examples of an intent; return those that were not known.

        Raises:
            ExampleError, FeedbackNotFound: nothing is changed then.
        """
        if intent not in self.examples.by_intent():
            raise ExampleError(f"intent {intent!r}: there is none of this name")
        queue = self.knowledge.curator.queue
        items = queue.resolve(ids, status="accepted", resolution=f"training example of {intent}", by=by)
        try:
            return self.examples.add(intent, dict.fromkeys(item.question for item in items))
        except Exception:
            queue.reopen(ids)
            raise

    def _state(self) -> tuple[int, int, str]:
        self.knowledge.curator.flush()
        return (*self.knowledge.curator.queue.state(), self.knowledge.index.snapshot.version)

    def _compute(self) -> list[Group]:
        return [self._group(cluster) for cluster in self.knowledge.open_questions(LIMIT, KINDS)]

    def _group(self, cluster: Cluster) -> Group:
        titles: Mapping[str, str] = {}
        snapshot = self.knowledge.index.snapshot
        if cluster.article_id is not None:
            ref = snapshot.find(cluster.article_id)
            titles = dict(snapshot.facts(ref).titles) if ref is not None else {}
        return Group(list(cluster.items), cluster.article_id, titles, cluster.probability)
