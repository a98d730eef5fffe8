"""Files of the city: what is wrong is named with the entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actions.traffic.catalogue import read_car_parks, read_intersections, read_roadworks
from actions.traffic.errors import DataFileError, PlanError
from actions.traffic.settings import TrafficSection

DEMO = Path(__file__).resolve().parents[3] / "actions" / "traffic" / "demo"


def test_demo_city_is_sound_and_small() -> None:
    found = read_intersections(DEMO / "intersections.geojson")
    assert len(found) == 5
    assert sum(f.stat().st_size for f in DEMO.iterdir() if f.is_file()) < 2_000_000


def test_conflicting_plan_is_refused(tmp_path: Path) -> None:
    data = json.loads((DEMO / "intersections.geojson").read_text("utf-8"))
    plan = data["features"][0]["properties"]["plan"]
    plan["stages"][0]["serves"] |= {k: "protected" for s in plan["stages"] for k in s["serves"]}
    path = tmp_path / "i.geojson"
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(PlanError, match="conflicting"):
        read_intersections(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"features": [{}]}', '{"features": [{"properties": {}}]}'])
def test_bad_geojson(tmp_path: Path, text: str) -> None:
    path = tmp_path / "i.geojson"
    path.write_text(text)
    with pytest.raises(DataFileError, match=r"i\.geojson"):
        read_intersections(path)


def test_bad_lists(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        '[{"id": "a", "street": "b", "title_zh": "", "title_en": "", "from": "2026-02-01", "until": "2026-01-01"}]'
    )
    with pytest.raises(DataFileError, match="entry 1"):
        read_roadworks(path)
    with pytest.raises(DataFileError, match="no such file"):
        read_car_parks(tmp_path / "none.json")


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="HTTP address"):
        TrafficSection(intersections="a", counts="b", live={"kind": "json", "url": "ftp://x"})
    with pytest.raises(ValueError, match="min_cycle_s"):
        TrafficSection(intersections="a", counts="b", min_cycle_s=90, max_cycle_s=60)
