"""Turning counts of a scenario, from the routes that its vehicles drove."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actions.traffic.errors import NoDemandError
from actions.traffic.sumo.net import open_xml

WINDOW_S = 900.0


@dataclass(frozen=True)
class Turns:
    """Vehicles per hour from edge to edge, over the whole run and in the busiest quarter of an hour."""

    mean_vph: Mapping[tuple[str, str], float]
    peak_vph: Mapping[tuple[str, str], float]
    hours: float

    def through(self, edges: set[tuple[str, str]]) -> float:
        """Return the mean flow over some turns in veh/h."""
        return sum(self.mean_vph.get(pair, 0.0) for pair in edges)


def read_turns(routes: Path, begin_s: float, end_s: float) -> Turns:
    """Count turns in a file of driven routes (`--vehroute-output`), or any file of vehicles with routes.

    Raises:
        NoDemandError: it holds no vehicle.
    """
    total: Counter[tuple[str, str]] = Counter()
    windows: dict[int, Counter[tuple[str, str]]] = {}
    depart = begin_s
    with open_xml(routes) as stream:
        for event, element in ET.iterparse(stream, events=("start", "end")):
            if event == "start":
                if element.tag == "vehicle":
                    depart = float(element.get("depart") or begin_s)
                continue
            if element.tag == "vehicle":
                found = [r for r in element.iter("route") if r.get("edges")]
                if found:
                    edges = found[-1].get("edges", "").split()
                    pairs = list(itertools.pairwise(edges))
                    total.update(pairs)
                    windows.setdefault(int((depart - begin_s) // WINDOW_S), Counter()).update(pairs)
                element.clear()
    if not total:
        raise NoDemandError(
            f"{routes}：没有车辆驶过路口，无法计算配时。",
            f"{routes}: no vehicle crossed a junction; check the demand",
        )
    hours = max((end_s - begin_s) / 3600, 1 / 60)
    busiest = max(windows.values(), key=lambda c: sum(c.values()))
    span_h = min(WINDOW_S, end_s - begin_s) / 3600
    return Turns(
        {k: v / hours for k, v in total.items()}, {k: busiest.get(k, 0) / span_h for k in total}, hours
    )
