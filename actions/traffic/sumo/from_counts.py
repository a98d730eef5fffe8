"""Demand for the simulator from counted turning volumes at one intersection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from actions.traffic.errors import NetworkError, NoDemandError
from actions.traffic.model import Junction

SPAN_S = 3600


def write_demand(junction: Junction, sumo: Mapping[str, Any], folder: Path) -> Path:
    """Write an hour of random arrivals for every stream and return the route file.

    Args:
        junction: with its volumes.
        sumo: the intersection's place in the network: `edges` by approach and `leaves_by` by stream.
        folder: where to write; the name is the hash of the content.

    Raises:
        NoDemandError: no stream has traffic.
        NetworkError: a stream has no edges.
    """
    lines = ["<routes>", '<vType id="car" speedDev="0.1" sigma="0.5"/>']
    for group in junction.groups:
        for stream in group.streams:
            if stream.volume_vph < 0.5:
                continue
            try:
                start, end = sumo["edges"][group.approach], sumo["leaves_by"][stream.id]
            except KeyError as error:
                raise NetworkError(
                    f"{junction.id}：车流 {stream.id} 在路网中没有对应路段（{error}）。",
                    f"{junction.id}: stream {stream.id} has no edges in the network ({error}); complete `sumo` in the "
                    "file of intersections",
                ) from None
            lines.append(
                f'<flow id={quoteattr(stream.id)} type="car" begin="0" end="{SPAN_S}" '
                f'period="exp({stream.volume_vph / 3600:.6f})" departLane="best" departSpeed="max">'
                f"<route edges={quoteattr(f'{start} {end}')}/></flow>"
            )
    if len(lines) == 2:
        raise NoDemandError(f"{junction.id}：没有流量。", f"{junction.id}: no traffic")
    text = "\n".join([*lines, "</routes>", ""])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.rou.xml"
    path.write_text(text, "utf-8")
    return path
