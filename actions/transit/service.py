"""The transit service: questions in, replies and remembered state out. It keeps nothing between calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from actions.transit import answer_departures, answer_line, answer_stops, cues
from actions.transit import reply as words
from actions.transit.errors import NaiveTimeError
from actions.transit.feed import load_feed
from actions.transit.lines import LineIndex
from actions.transit.model import Feed
from actions.transit.network import Incomplete, Network, Outcome, Turn
from actions.transit.parse import Parser, TransitQuery
from actions.transit.places import Place, load_places
from actions.transit.state import Memory, recall
from actions.transit.stops import StopIndex
from city.messages import LANGUAGES

_ANSWERS = {"stops": answer_stops.answer, "departures": answer_departures.answer, "line": answer_line.answer}
Entities = Mapping[str, Sequence[str]]

# A stop's full English name, with a few words around it.
_LONGEST_ANSWER = 40


class TransitService:
    """Answers about stops, departures and lines from one timetable."""

    def __init__(
        self, feed: Feed, places: Sequence[Place] = (), languages: Sequence[str] = LANGUAGES
    ) -> None:
        lines, stops = LineIndex(feed, languages), StopIndex(feed, places, languages)
        self.network = Network(feed, lines, stops, Parser(lines, stops))

    @classmethod
    def load(
        cls,
        feed_path: Path | str,
        places_path: Path | str | None = None,
        cache_dir: Path | str | None = None,
        languages: Sequence[str] = LANGUAGES,
    ) -> TransitService:
        """Load a timetable and, if given, the table of landmarks.

        Args:
            feed_path: a GTFS zip or folder.
            places_path: CSV with name_zh, name_en, lat, lon (degrees) and aliases split by "|".
            cache_dir: where the binary form of the feed is kept.
            languages: languages to show names in.

        Raises:
            FeedError: the feed cannot be used.
            PlacesError: the table of landmarks cannot be used.
        """
        feed = load_feed(feed_path, cache_dir=cache_dir)
        return cls(feed, load_places(places_path) if places_path is not None else (), languages)

    def follow_up(
        self,
        text: str,
        *,
        now: datetime,
        language: str = "zh",
        entities: Entities | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Answer a question that leans on the one before: "and line 5?", "反方向呢?"; see `answer`."""
        memory = recall(state, int(now.timestamp()) if now.tzinfo else 0)
        query = self.network.parser.parse(text, now, entities)
        kind = memory.pending or memory.kind or "departures"
        timed = (
            cues.WAIT.search(query.text)
            or query.opposite
            or query.later
            or query.earlier
            or query.which
            or query.when
        )
        if (
            cues.LINE_INFO.search(query.text)
            or cues.FARE.search(query.text)
            or cues.CALLS_AT.search(query.text)
        ):
            kind = "line"
        elif not memory.pending and (timed or (kind == "stops" and query.lines)):
            kind = "departures"
        named = _names_something(query)
        if kind == "departures" and memory.stop and not (named or timed or memory.pending):
            return self._offer(memory, now, language)
        return self.answer(kind, text, now=now, language=language, entities=entities, state=state)

    def is_answer(
        self, text: str, *, now: datetime, entities: Entities | None, state: Mapping[str, Any] | None
    ) -> bool:
        """Return whether a text answers what this module asked last, or only names another stop, line or place."""
        memory = recall(state, int(now.timestamp()))
        if not (memory.pending or memory.kind) or len(text) > _LONGEST_ANSWER:
            return False
        query = self.network.parser.parse(text, now, entities)
        named = query.lines or query.stop or query.to or query.here or query.position
        return bool(named and (memory.pending or query.elliptic))

    def _offer(self, memory: Memory, now: datetime, language: str) -> Outcome:
        """Say what can be asked next, when a follow-up asks what a timetable cannot tell."""
        turn = Turn(self.network, self.network.parser.parse("", now), memory, language, now, "departures")
        group, line = self.network.stops.group(memory.stop), self.network.line(memory.line)
        text = turn.both(
            "这个问题时刻表回答不了。我可以继续查：", "The timetable cannot answer that. I can look up:"
        )
        buttons = []
        for kind in ("departures", "line", "stops"):
            step = replace(turn, kind=kind, memory=Memory())
            if (kind == "line" and line is None) or (kind != "line" and group is None):
                continue
            payload = step.payload(line, group)
            buttons.append((payload, payload))
        return Outcome((words.ask(text, buttons),), replace(memory, at=int(now.timestamp())).to_state())

    def answer(
        self,
        kind: str,
        text: str,
        *,
        now: datetime,
        language: str = "zh",
        entities: Entities | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Answer one message.

        Args:
            kind: "stops", "departures" or "line".
            text: the citizen's words.
            now: the present moment; aware.
            language: "zh" or "en", the language of the reply.
            entities: what the language model found, as {entity: values}.
            state: `Outcome.state` of the turn before; anything else counts as none.

        Raises:
            NaiveTimeError: `now` has no time zone.
        """
        if now.tzinfo is None:
            raise NaiveTimeError("now")
        now = now.astimezone(self.network.feed.zone)
        memory = recall(state, int(now.timestamp()))
        query = self.network.parser.parse(text, now, entities)
        bare = query.elliptic and not query.lines and not query.near and not query.every_line
        if memory.pending in _ANSWERS and (bare or (query.elliptic and not query.near)):
            # the answer to our own question ("人民广场") goes back to what was being asked
            kind = memory.pending
        elif memory.pending and memory.pending != kind:
            memory = replace(memory, pending="")
        if memory.way and not memory.pending and not _names_something(query):
            # After "how do I get from here to there?" a bare "when is the next one?" is about that way.
            query = replace(query, elliptic=True)
            if kind == "line" and (query.which or query.when or cues.NEXT.search(query.text)):
                kind = "departures"
        turn = Turn(self.network, query, memory, "en" if language == "en" else "zh", now, kind)
        try:
            replies, kept = _ANSWERS[kind](turn)
        except Incomplete as missing:
            replies, kept = [missing.reply], missing.memory
        return Outcome(tuple(replies), kept.to_state())


def _names_something(query: TransitQuery) -> bool:
    """Return whether a message names a line, a stop or a place itself."""
    return bool(query.lines or query.stop or query.to or query.every_line or query.here or query.position)
