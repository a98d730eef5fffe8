"""Reads stop_times.txt into column arrays, in bounded memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from actions.transit import values
from actions.transit.errors import (
    FeedAdvice,
    FeedBackwards,
    FeedBadValue,
    FeedNoTimes,
    FeedShortTrip,
    FeedUnknownReference,
    Report,
)
from actions.transit.model import (
    ASK_DRIVER,
    GUESSED,
    LAST_OF_TRIP,
    NOT_ALIGHTABLE,
    NOT_BOARDABLE,
    PHONE_AHEAD,
    Ints,
    Stop,
)
from actions.transit.source import Source, columns
from actions.transit.tables import Strings, Trips, settle

_FILE = "stop_times.txt"
_PICKUP = {"": 0, "0": 0, "1": NOT_BOARDABLE, "2": PHONE_AHEAD, "3": ASK_DRIVER}
_REQUIRED = ("trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence")


@dataclass
class StopTimes:
    """Rows sorted by trip and stop_sequence; the arrays of `model.Feed`."""

    trip: Ints
    stop: Ints
    arrive: Ints
    depart: Ints
    sequence: Ints
    flags: NDArray[np.uint8]
    headsign: Ints


def read_stop_times(source: Source, trips: Trips, stops: list[Stop], strings: Strings) -> StopTimes:
    """Read, sort, complete and check the stop times.

    Trips that cannot be used (fewer than two stops, times that run backwards, no time at an end) are left out
    and noted. Blank times between two known ones are spread by shape_dist_traveled, else evenly.
    """
    rows, lines, distance = _read_rows(source, trips, stops, strings)
    order = np.lexsort((rows.sequence, rows.trip))
    rows = _take(rows, order)
    return _complete(
        rows, lines[order], distance[order] if distance is not None else None, trips, source.report
    )


def _read_rows(
    source: Source, trips: Trips, stops: list[Stop], strings: Strings
) -> tuple[StopTimes, Ints, NDArray[np.float64] | None]:
    report = source.report
    trip_at = {t: n for n, t in enumerate(trips.ids)}
    stop_at = {s.stop_id: n for n, s in enumerate(stops)}
    reader = source.raw_rows(_FILE)
    first = next(reader, None)
    at = columns(_FILE, first[1] if first else [], _REQUIRED)
    i_trip, i_arrive, i_depart, i_stop, i_seq = (at[name] for name in _REQUIRED)
    i_pickup, i_drop = at.get("pickup_type", -1), at.get("drop_off_type", -1)
    i_sign = at.get("stop_headsign", -1)
    i_distance = at.get("shape_dist_traveled", -1)
    need = 1 + max(i_trip, i_arrive, i_depart, i_stop, i_seq)
    known_times: dict[str, int] = {"": -1}
    trip_col, stop_col, arrive_col, depart_col = array("i"), array("i"), array("i"), array("i")
    seq_col, flag_col, sign_col, line_col = array("i"), array("B"), array("i"), array("i")
    distance_col = array("d")
    dropped = 0
    for line, row in reader:
        if len(row) < need:
            row = row + [""] * (need - len(row))
        trip, stop = trip_at.get(row[i_trip].strip()), stop_at.get(row[i_stop].strip())
        try:
            arrive, depart = known_times[row[i_arrive]], known_times[row[i_depart]]
        except KeyError:
            arrive, depart = _times(report, line, row[i_arrive], row[i_depart], known_times)
        sequence = values.whole(row[i_seq].strip())
        if trip is None or stop is None or sequence is None or arrive == -2 or depart == -2:
            dropped += 1
            _blame(report, line, row[i_trip], trip, row[i_stop], stop, row[i_seq], sequence)
            continue
        trip_col.append(trip)
        stop_col.append(stop)
        arrive_col.append(arrive)
        depart_col.append(depart)
        seq_col.append(sequence)
        line_col.append(line)
        pickup = row[i_pickup].strip() if 0 <= i_pickup < len(row) else ""
        no_exit = 0 <= i_drop < len(row) and row[i_drop].strip() == "1"
        flag_col.append(_PICKUP.get(pickup, 0) | (NOT_ALIGHTABLE if no_exit else 0))
        sign_col.append(strings.add(row[i_sign].strip()) if 0 <= i_sign < len(row) else -1)
        if i_distance >= 0:
            text = row[i_distance] if i_distance < len(row) else ""
            found = values.real(text)
            distance_col.append(float("nan") if found is None else found)
    settle(report, _FILE, len(trip_col), dropped)
    rows = StopTimes(
        _ints(trip_col), _ints(stop_col), _ints(arrive_col), _ints(depart_col), _ints(seq_col),
        np.frombuffer(flag_col, dtype=np.uint8).copy(), _ints(sign_col),
    )  # fmt: skip
    return rows, _ints(line_col), np.frombuffer(distance_col, dtype=np.float64) if i_distance >= 0 else None


def _ints(column: array[int]) -> Ints:
    return np.frombuffer(column, dtype=np.int32)


def _times(report: Report, line: int, arrive: str, depart: str, known: dict[str, int]) -> tuple[int, int]:
    out = []
    for name, text in (("arrival_time", arrive), ("departure_time", depart)):
        found = known.get(text)
        if found is None:
            read = values.seconds(text) if text.strip() else -1
            found = -2 if read is None else read
            if read is not None and len(known) < 200_000:
                known[text] = found
        if found == -2:
            expected = ("时间 HH:MM:SS", "a time HH:MM:SS")
            report.error(FeedBadValue(_FILE, line, name, value=text, expected=expected))
        out.append(found)
    return out[0], out[1]


def _blame(
    report: Report,
    line: int,
    trip_id: str,
    trip: int | None,
    stop_id: str,
    stop: int | None,
    seq: str,
    number: int | None,
) -> None:
    if trip is None:
        report.error(FeedUnknownReference(_FILE, line, "trip_id", value=trip_id, target="trips.txt"))
    elif stop is None:
        report.error(FeedUnknownReference(_FILE, line, "stop_id", value=stop_id, target="stops.txt"))
    elif number is None:
        expected = ("非负整数", "a whole number")
        report.error(FeedBadValue(_FILE, line, "stop_sequence", value=seq, expected=expected))


def _take(rows: StopTimes, order: NDArray[np.int64] | NDArray[np.bool_]) -> StopTimes:
    return StopTimes(
        rows.trip[order], rows.stop[order], rows.arrive[order], rows.depart[order],
        rows.sequence[order], rows.flags[order], rows.headsign[order],
    )  # fmt: skip


def _complete(
    rows: StopTimes, lines: Ints, distance: NDArray[np.float64] | None, trips: Trips, report: Report
) -> StopTimes:
    rows.arrive = np.where(rows.arrive < 0, rows.depart, rows.arrive).astype(np.int32)
    rows.depart = np.where(rows.depart < 0, rows.arrive, rows.depart).astype(np.int32)
    count = len(rows.trip)
    starts = np.flatnonzero(np.r_[True, rows.trip[1:] != rows.trip[:-1]])
    ends = np.r_[starts[1:], count] - 1
    run = np.repeat(np.arange(len(starts)), ends - starts + 1)
    bad_run = np.zeros(len(starts), dtype=bool)

    def reject(
        which: NDArray[np.bool_], kind: type[FeedShortTrip] | type[FeedNoTimes] | type[FeedBackwards]
    ) -> None:
        for n in islice(np.flatnonzero(which & ~bad_run), 10_000):
            trip = trips.ids[int(rows.trip[starts[n]])]
            report.error(kind(_FILE, int(lines[starts[n]]), trip=trip))
        np.logical_or(bad_run, which, out=bad_run)

    reject(starts == ends, FeedShortTrip)
    reject((rows.arrive[starts] < 0) | (rows.arrive[ends] < 0), FeedNoTimes)
    blank = rows.arrive < 0
    if blank.any():
        place = _places_along(distance, starts, ends, run, count)
        known = ~blank
        xs = np.repeat(place[known], 2)
        xs[1::2] += 1e-7
        ys = np.stack([rows.arrive[known], rows.depart[known]], axis=1).ravel()
        guessed = np.rint(np.interp(place[blank], xs, ys)).astype(np.int32)
        rows.arrive[blank] = guessed
        rows.depart[blank] = guessed
        rows.flags[blank] |= GUESSED
    same = rows.trip[1:] == rows.trip[:-1]
    wrong = rows.depart < rows.arrive
    wrong[1:] |= same & (rows.arrive[1:] < rows.depart[:-1])
    back = np.zeros(len(starts), dtype=bool)
    back[run[wrong]] = True
    reject(back, FeedBackwards)
    twice = same & (rows.sequence[1:] == rows.sequence[:-1])
    for n in np.flatnonzero(twice)[:100]:
        about = {"about_zh": "stop_sequence 重复", "about_en": "stop_sequence occurs twice in the trip"}
        advice = FeedAdvice(
            _FILE,
            int(lines[n + 1]),
            "stop_sequence",
            do_zh="请改为递增。",
            do_en="Make it increase.",
            **about,
        )
        report.warning(advice)
    rows.flags[ends] |= LAST_OF_TRIP
    settle(report, _FILE, int((~bad_run).sum()), int(bad_run.sum()))
    return _take(rows, ~bad_run[run]) if bad_run.any() else rows


def _places_along(
    distance: NDArray[np.float64] | None,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    run: NDArray[np.int64],
    count: int,
) -> NDArray[np.float64]:
    """Return where each row lies along its trip, increasing over all rows (trip n lies before trip n + 1)."""
    place = np.arange(count, dtype=np.float64)
    if distance is None:
        return place
    length = distance[ends] - distance[starts]
    step = np.diff(distance, prepend=distance[0])
    step[starts] = 0
    usable = (length > 0) & (np.add.reduceat(~(step >= 0), starts) == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = starts[run] + (distance - distance[starts][run]) / length[run] * (ends - starts)[run]
    return np.where(usable[run], along, place)
