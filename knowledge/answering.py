"""The answerer: guard → complete → route → search → decide → compose → check, each a named, timed, traced step."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from city.messages import Button, Citation, Reply
from city.settings import Settings
from knowledge import texts
from knowledge.article import Article, ArticleNotFound
from knowledge.calibration import Calibration
from knowledge.conversation import State, common_subject, complete, facet_phrase, read
from knowledge.facets import asked_facets
from knowledge.index import SentenceEncoder
from knowledge.ranking import Candidate, make_query, search
from knowledge.reranking import Reranker
from knowledge.snapshot import ArticleRef, Filter, Snapshot
from knowledge.store import ArticleStore
from knowledge.text import clean, fold, has_han, search_words, unrepeated
from knowledge.turns import Outcome, Question, Turn

MAX_CHARS = 600
MAX_CHOICES = 3
# A message that says the same words more often than this was not written to ask something.
MAX_REPEATS = 5
# A message of more different search words than this says more than the name of a subject.
BARE_WORDS = 6
# Log-odds that the topic spoken of, an article on what was asked for, and the one first spoken of gain in a follow-up.
SAME_TOPIC, SAME_FACET, ANCHOR = 2.0, 2.0, 8.0
# Below this probability another article of the same topic may be meant just as well.
UNSURE = 0.6
_LETTER = re.compile(r"[^\W\d_]")


class Answerer:
    """Turns a question into replies from approved articles.

    Args:
        settings: the city's settings.
        store: gives the articles' texts.
        encoder: turns questions into vectors.
        stop_words: further words that say nothing.
        clock: seconds since 1970.
        reranker: judges the best candidates anew; `None` for none.
    """

    def __init__(
        self,
        settings: Settings,
        store: ArticleStore,
        encoder: SentenceEncoder,
        stop_words: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.time,
        reranker: Reranker | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.encoder = encoder
        self.stop_words = stop_words
        self.clock = clock
        self.reranker = reranker

    @property
    def steps(self) -> Sequence[tuple[str, Callable[[Turn], dict[str, Any]]]]:
        """The steps in their order; each returns what it decided."""
        return (
            ("guard", self.guard),
            ("complete", self.complete),
            ("route", self.route),
            ("search", self.search),
            ("decide", self.decide),
            ("compose", self.compose),
            ("check", self.check),
        )

    def answer(self, question: Question, snapshot: Snapshot, calibration: Calibration) -> Outcome:
        """Answer one question from one state of the index."""
        turn = Turn(question, snapshot, calibration, State.from_dict(question.state, self.clock()))
        trace: list[dict[str, Any]] = []
        for name, step in self.steps:
            if turn.decision and name in ("complete", "route", "search", "decide"):
                continue
            started = time.perf_counter()
            record = step(turn)
            ms = round((time.perf_counter() - started) * 1000, 3)
            trace.append({"step": f"knowledge.{name}", "ms": ms, **record})
        return Outcome(turn.replies, self._new_state(turn), turn.decision, trace)

    def guard(self, turn: Turn) -> dict[str, Any]:
        """Turn away what is no question: nothing, no letter, pages of text, or the same words over and over."""
        turn.text = clean(turn.question.text)
        turn.language = "en" if turn.question.language == "en" else "zh"
        if not _LETTER.search(turn.text):
            turn.decision, turn.why = "clarify", "empty"
        elif len(turn.text) > MAX_CHARS:
            turn.decision, turn.why = "clarify", "long"
        else:
            turn.text, most = unrepeated(turn.text)
            if most > MAX_REPEATS:
                turn.decision, turn.why = "clarify", "repeated"
        return {"why": turn.why} if turn.why else {}

    def complete(self, turn: Turn) -> dict[str, Any]:
        """See whether the message leans on the conversation, and on what."""
        turn.reading = read(turn.text, turn.question.follow_up)
        state = turn.state
        if state is not None and turn.snapshot.find(state.article) is None:
            # The article was withdrawn in the meantime.
            turn.state = state = None
        if state is not None:
            family = self._family(turn, state)
            titles = tuple(turn.snapshot.facts(ref).title_in(turn.language) for ref in family)
            turn.subject = common_subject(titles, turn.language)
            if turn.reading.wanted_language:
                turn.language = turn.reading.wanted_language
                ref = family[0]
                turn.article = self._article(turn, ref)
                turn.decision, turn.why = "answer", "other language"
        return {"leaning": turn.reading.leaning, "subject": turn.subject}

    def route(self, turn: Turn) -> dict[str, Any]:
        """Set how sure an answer must be, by what the language model took the message for."""
        turn.raised = {"out_of_scope": 0.75, "nlu_fallback": 0.4}.get(turn.question.intent or "", 0.0)
        answer = turn.calibration.of(turn.language, (turn.language,)).answer
        return {"threshold": round(answer + turn.raised * (1 - answer), 3)}

    def search(self, turn: Turn) -> dict[str, Any]:
        """Search for the message as it is, and for its completion where it leans on the conversation."""
        plain = self._find(turn, turn.text)
        turn.candidates = plain
        if turn.state is not None and not (plain and plain[0].exact):
            sure = bool(plain) and plain[0].probability >= turn.needed(plain[0])
            if (
                turn.reading.leaning == 2
                or (not sure and turn.reading.leaning == 1)
                or not turn.reading.own_words
            ):
                self._search_completed(turn, plain)
        best = turn.candidates[:3]
        found = [{"article": item.facts.id, "probability": round(item.probability, 3)} for item in best]
        return {"found": found, "completed": turn.completed, "index": turn.snapshot.version}

    def decide(self, turn: Turn) -> dict[str, Any]:
        """Answer, offer a choice, or say that there is no answer."""
        best = turn.candidates[0] if turn.candidates else None
        leans_on_nothing = (
            turn.state is None and turn.reading.leaning == 2 and len(turn.reading.own_words) <= 1
        )
        if best is None or (leans_on_nothing and not best.exact and turn.question.follow_up):
            self._decide_without(turn, leans_on_nothing or (turn.question.follow_up and turn.state is None))
        elif leans_on_nothing and not best.exact and best.probability < max(0.9, turn.needed(best)):
            self._decide_without(turn, True)
        elif best.exact:
            turn.decision, turn.why = "answer", "exact"
        elif len(named := self._articles_named(turn)) > 1:
            turn.decision, turn.why, turn.choices = "clarify", "which", named[:MAX_CHOICES]
        elif self._is_far_fetched(turn, best):
            self._decide_without(turn, False)
        elif best.probability >= turn.needed(best) and len(told := self._several_tell(turn)) > 1:
            turn.decision, turn.why, turn.choices = "clarify", "which_about", told[:MAX_CHOICES]
        elif best.probability >= turn.needed(best):
            self._decide_among(turn, best)
        elif best.probability >= turn.offered(best) and turn.question.intent != "out_of_scope":
            turn.decision, turn.why = "clarify", "maybe"
            likely = [item for item in turn.candidates if item.probability >= turn.offered(item) / 2]
            turn.choices = likely[:MAX_CHOICES]
        else:
            self._decide_without(turn, False)
        if turn.decision == "answer" and best is not None and turn.article is None:
            turn.article = self._article(turn, best.ref)
        return {"decision": turn.decision, "why": turn.why}

    def compose(self, turn: Turn) -> dict[str, Any]:
        """Write the reply: the approved text as it stands, with its source and related titles."""
        language = turn.language
        if turn.decision == "answer" and turn.article is not None:
            turn.replies = [self._answer_reply(turn, turn.article)]
        elif turn.decision == "clarify":
            buttons = [self._button(turn, item.ref) for item in turn.choices]
            first = texts.say(turn.why, language, title=turn.subject)
            turn.replies = [Reply(first, "clarify", buttons=buttons)]
        else:
            department = ""
            if turn.candidates and turn.candidates[0].probability >= turn.offered(turn.candidates[0]):
                contact = self._article(turn, turn.candidates[0].ref).contact
                department = contact.get(language) or next(iter(contact.values()), "")
            if turn.why == "unknown_about":
                first = texts.say("unknown_about", language, title=turn.subject)
            else:
                first = texts.say("unknown", language)
            turn_to = texts.where_to_turn(self.settings.contact, language, department)
            turn.replies = [Reply(f"{first}\n\n{turn_to}", "fallback")]
        return {"source": turn.replies[0].source, "buttons": len(turn.replies[0].buttons)}

    def check(self, turn: Turn) -> dict[str, Any]:
        """Let only what may be said leave: a public article that is true today, with its text unchanged."""
        article = turn.article
        if turn.decision != "answer" or article is None:
            return {"passed": True}
        text = turn.replies[0].text
        if article.is_valid_on(turn.question.today) and any(
            text.endswith(item) for item in article.answer.values()
        ):
            return {"passed": True}
        turn.decision, turn.why, turn.article = "abstain", "not current", None
        self.compose(turn)
        return {"passed": False}

    def _find(self, turn: Turn, text: str, also: Sequence[ArticleRef] = ()) -> list[Candidate]:
        query = make_query(text, turn.language, turn.snapshot, self.encoder, self.stop_words)
        condition = Filter(day=turn.question.today)
        found = search(query, turn.snapshot, condition, turn.calibration, also=also)
        return self.reranker.reorder(query, found, turn.calibration) if self.reranker else found

    def _search_completed(self, turn: Turn, plain: Sequence[Candidate]) -> None:
        """Search for the subject with the new words, and for the new words with what was asked before."""
        state = turn.state
        assert state is not None
        turn.completed = complete(turn.text, turn.subject)
        own = {item.ref: item.probability for item in plain}
        asked = asked_facets(turn.text) - {"how-to"}
        inherited = frozenset() if asked else asked_facets(state.question) - {"how-to"}
        scored: dict[ArticleRef, tuple[float, Candidate]] = {}

        def consider(item: Candidate, score: float) -> None:
            if inherited & item.facts.facets:
                score += SAME_FACET / 2
            if item.ref not in scored or scored[item.ref][0] < score:
                scored[item.ref] = (score, item)

        for item in self._find(turn, turn.completed, self._family(turn, state)):
            score = _logit(max(item.probability, own.get(item.ref, 0.0)))
            if (item.facts.topic == state.topic and state.topic) or item.facts.id == state.article:
                score += SAME_TOPIC + self._facet_score(turn, item, asked)
                if item.facts.id == state.anchor and asked & item.facts.facets and not turn.reading.own_words:
                    score += ANCHOR
            consider(item, score)
        if turn.reading.own_words:
            if inherited:
                for item in self._find(turn, f"{complete(turn.text, '')} {facet_phrase(state.question)}")[:3]:
                    consider(item, _logit(item.probability))
            # What stands alone as well as the completed question does is a new topic.
            for item in plain[:3]:
                penalty = SAME_TOPIC if turn.reading.leaning == 2 else 0.0
                consider(item, _logit(item.probability) - penalty)
        turn.candidates = [
            replace(item, probability=1 / (1 + math.exp(-score)))
            for score, item in sorted(scored.values(), key=lambda pair: -pair[0])
        ]

    def _facet_score(self, turn: Turn, item: Candidate, asked: frozenset[str]) -> float:
        if not asked:
            return 0.0
        if asked & item.facts.facets:
            return SAME_FACET
        return SAME_FACET / 2 if self._mentions(turn, item.ref, asked) else -SAME_FACET

    def _decide_among(self, turn: Turn, best: Candidate) -> None:
        """Answer with the best, unless another topic is as likely."""
        rivals = [
            item
            for item in turn.candidates[1:]
            if _logit(best.probability) - _logit(item.probability) < turn.calibration.close
            and item.probability >= turn.needed(item)
            and (item.facts.topic != best.facts.topic or not best.facts.topic or best.probability < UNSURE)
        ]
        if rivals and not turn.completed:
            turn.decision, turn.why, turn.choices = "clarify", "which", [best, *rivals][:MAX_CHOICES]
        else:
            turn.decision, turn.why = "answer", "found"

    def _articles_named(self, turn: Turn) -> list[Candidate]:
        """Return the candidates whose titles hold all words of a message that asks nothing about its subject.

        Titles with the very name come before those with its words apart, and the best of each topic comes first:
        "residence permit" may be the foreigners' or the residents' one.
        """
        words = _plain_words(turn.text)
        if turn.completed or asked_facets(turn.text) or not words or len(words) > BARE_WORDS:
            return []
        named = [
            item for item in turn.candidates if words <= _plain_words(item.facts.title_in(turn.language))
        ]
        name = fold(turn.text)
        named.sort(key=lambda item: name not in fold(item.facts.title_in(turn.language)))
        first: dict[str, Candidate] = {}
        for item in named:
            first.setdefault(item.facts.topic or item.facts.id, item)
        return list({item.ref: item for item in [*first.values(), *named]}.values())

    def _is_far_fetched(self, turn: Turn, best: Candidate) -> bool:
        """Whether "how much is it?" would be answered, and not for sure, from something that nobody spoke of."""
        state = turn.state
        if state is None or not turn.completed or turn.reading.own_words or best.probability >= UNSURE:
            return False
        spoken_of = best.facts.id in (state.article, state.anchor)
        return not spoken_of and (not state.topic or best.facts.topic != state.topic)

    def _several_tell(self, turn: Turn) -> list[Candidate]:
        """Return the articles that may be meant by "how much is it?" when the one spoken of is not about that.

        They are those of its topic that are, and before them the one spoken of, if it says a word about it.
        """
        state = turn.state
        # Who asks for a discount says for whom ("and for students?").
        asked = asked_facets(turn.text) - {"how-to", "discount"}
        if state is None or not state.topic or not turn.completed or turn.reading.own_words or not asked:
            return []
        family = [item for item in turn.candidates if item.facts.topic == state.topic]
        about = [item for item in family if asked & item.facts.facets]
        if len(about) < 2 or any(item.facts.id in (state.article, state.anchor) for item in about):
            return []
        spoken_of = [item for item in family if item.facts.id == state.article]
        return [item for item in spoken_of if self._mentions(turn, item.ref, asked)] + about

    def _decide_without(self, turn: Turn, about_nothing: bool) -> None:
        if about_nothing and turn.state is None:
            turn.decision, turn.why = "clarify", "about_what"
        else:
            turn.decision = "abstain"
            turn.why = "unknown_about" if turn.completed and turn.reading.leaning == 2 else "unknown"

    def _answer_reply(self, turn: Turn, article: Article) -> Reply:
        language = turn.language
        text = article.answer.get(language)
        if not text:
            other = article.languages[0]
            text = f"{texts.say(f'only_{other}', language)}\n\n{article.answer[other]}"
        citation = Citation(article.id, article.title_in(language), self._url(article))
        related = [self._button(turn, ref) for ref in self._related(turn, article)]
        return Reply(text, "knowledge", citations=(citation,), buttons=related)

    def _related(self, turn: Turn, article: Article) -> list[ArticleRef]:
        mask = turn.snapshot.masks(Filter(day=turn.question.today))
        refs = list(turn.snapshot.family(article.topic))
        refs += [
            item.ref
            for item in turn.candidates
            if item.facts.category == article.category and item.probability >= turn.offered(item)
        ]
        wanted = [
            ref
            for ref in dict.fromkeys(refs)
            if turn.snapshot.facts(ref).id != article.id and mask[ref[0]][ref[1]]
        ]
        return wanted[:MAX_CHOICES]

    def _button(self, turn: Turn, ref: ArticleRef) -> Button:
        title = turn.snapshot.facts(ref).title_in(turn.language)
        return Button(title, title)

    def _url(self, article: Article) -> str:
        pattern = self.settings.knowledge.article_url
        return article.source_url or (pattern.replace("{id}", article.id) if pattern else "")

    def _article(self, turn: Turn, ref: ArticleRef) -> Article:
        facts = turn.snapshot.facts(ref)
        try:
            return self.store.version(facts.id, facts.version)
        except ArticleNotFound:  # erased from the store by hand; the index follows within a second
            return Article(facts.id, dict(facts.titles), answer={})

    def _mentions(self, turn: Turn, ref: ArticleRef, asked: frozenset[str]) -> bool:
        answer = self._article(turn, ref).answer.get(turn.language, "")
        return bool(asked & asked_facets(answer))

    def _family(self, turn: Turn, state: State) -> list[ArticleRef]:
        """Return the articles of the topic spoken of, the last answer's first."""
        first = turn.snapshot.find(state.article)
        assert first is not None
        return list(dict.fromkeys([first, *turn.snapshot.family(state.topic)]))

    def _new_state(self, turn: Turn) -> dict[str, Any]:
        """Return what the conversation is about now: a new article, or still the old one."""
        now, state = self.clock(), turn.state
        if turn.decision != "answer" or turn.article is None:
            return state.to_dict() if state is not None else {}
        article = turn.article
        anchor, question = article.id, turn.text
        if state is not None and turn.reading.wanted_language:
            anchor, question = state.anchor, state.question
        elif state is not None and turn.completed:
            if article.topic and article.topic == state.topic:
                anchor = state.anchor
            if not asked_facets(turn.text):
                question = f"{turn.text} {facet_phrase(state.question)}"
        return State(article.id, anchor, article.topic, question[:MAX_CHARS], turn.language, now).to_dict()


def _plain_words(text: str) -> set[str]:
    """Return the words of a name: Chinese ones as they are searched, English ones unstemmed, in the singular."""
    words = {word for word in search_words(text) if has_han(word)}
    return words | {word.rstrip("s") for word in re.findall(r"[a-z0-9]+", text.lower())}


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))
