"""Builds the demo city's gazetteer from the data that ship with it: timetable, places, streets, districts.

Run: `python -m training.nlu.gazetteer`.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

from pypinyin import lazy_pinyin

from nlp.entities.folding import has_han
from nlp.entities.gazetteer import COLUMNS, Entry
from training.nlu.gazetteer_extra import BUILDINGS, STREETS, WASTE

_LINE_NUMBER = re.compile(r"(K?\d+)路")
_METRO = re.compile(r"地铁(\d+)号线")
_HAN_DIGITS = "零一二三四五六七八九十"


def build(root: Path) -> list[Entry]:
    """Return the demo city's names, sorted by entity and id.

    Args:
        root: the repository; reads `actions/transit/demo` and `docs/demo-city.md`.
    """
    feed = zipfile.ZipFile(root / "actions/transit/demo/gtfs.zip")
    places = _rows((root / "actions/transit/demo/places.csv").read_text(encoding="utf-8"))
    city = (root / "docs/demo-city.md").read_text(encoding="utf-8")
    entries = [*_lines(feed), *_stops(feed, places), *_districts(city), *_streets(city), *_places(places)]
    entries += [_entry("building", zh, en, *aliases) for zh, en, *aliases in BUILDINGS]
    entries += [_entry("waste_item", zh, en, *aliases) for zh, en, *aliases in WASTE]
    return sorted(entries, key=lambda entry: (entry.entity, entry.id))


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))


def _entry(entity: str, zh: str, en: str, *aliases: str, id: str = "") -> Entry:
    pinyin = " ".join(lazy_pinyin(zh)) if has_han(zh) and entity != "waste_item" else ""
    names = [name for name in dict.fromkeys([*aliases, pinyin]) if name and name not in (zh, en)]
    slug = re.sub(r"[^a-z0-9]+", "-", (en or pinyin).lower().replace("'", "")).strip("-")
    return Entry(id or f"{entity}:{slug}", entity, zh, en, tuple(names))


def _lines(feed: zipfile.ZipFile) -> list[Entry]:
    translations = {
        row["record_id"]: row["translation"]
        for row in _rows(feed.read("translations.txt").decode("utf-8-sig"))
        if row["table_name"] == "routes"
        and row["field_name"] == "route_short_name"
        and row["language"] == "en"
    }
    found = []
    for row in _rows(feed.read("routes.txt").decode("utf-8-sig")):
        zh = row["route_short_name"]
        en = translations.get(row["route_id"], "")
        aliases: list[str] = []
        if match := _LINE_NUMBER.fullmatch(zh):
            number = match[1]
            aliases = [
                f"bus {number}",
                f"line {number}",
                f"route {number}",
                f"{number}路公交车",
                f"{number}路车",
            ]
            if number.startswith("K"):
                aliases.append(number)
        elif match := _METRO.fullmatch(zh):
            number = _HAN_DIGITS[int(match[1])]
            aliases = [
                f"{match[1]}号线",
                f"{number}号线",
                f"地铁{number}号线",
                f"metro line {match[1]}",
                f"metro {match[1]}",
            ]
        elif zh == "机场快线":
            en, aliases = en or "Airport Express", ["机场大巴", "airport line", "airport bus"]
        found.append(_entry("line", zh, en, *aliases, id=f"line:{row['route_id']}"))
    return found


def _stops(feed: zipfile.ZipFile, places: list[dict[str, str]]) -> list[Entry]:
    english = {
        row["record_id"]: row["translation"]
        for row in _rows(feed.read("translations.txt").decode("utf-8-sig"))
        if row["table_name"] == "stops" and row["language"] == "en"
    }
    known = {row["name_zh"]: row["aliases"].split("|") for row in places}
    names: dict[str, str] = {}
    for row in _rows(feed.read("stops.txt").decode("utf-8-sig")):
        names.setdefault(row["stop_name"], english.get(row["stop_id"], ""))
    found = []
    for zh, en in names.items():
        aliases = [zh + "站", f"{en} stop", f"{en} station", *known.get(zh, ())]
        if zh.endswith("站"):
            aliases = aliases[2:]
        found.append(_entry("stop", zh, en, *aliases))
    return found


def _districts(city: str) -> list[Entry]:
    rows = re.findall(r"^\| (\w+) \| (\S+区) \| ([^|]+) \|$", city, re.MULTILINE)
    found = []
    for key, zh, en in rows:
        plain = re.sub(r" \([^)]*\)", "", en).strip()
        inside = re.findall(r"\(([^)]*)\)", en)
        found.append(
            _entry("district", zh, plain, *(f"{name} District" for name in inside), id=f"district:{key}")
        )
    return found


def _streets(city: str) -> list[Entry]:
    line = re.search(r"^Streets: (.+)$", city, re.MULTILINE)
    pairs = re.findall(r"(\S+[路道]) ([A-Z][A-Za-z ]+?)(?: \(([^)]*)\))?(?: ·|$)", line[1] if line else "")
    known = [(zh, en, *([other] if other else [])) for zh, en, other in pairs]
    found = []
    for zh, en, *aliases in [*known, *STREETS]:
        first = en.rsplit(" ", 1)[0]
        kind = "Rd" if en.endswith("Road") else "St" if en.endswith("Street") else "Ave"
        local = "Lu" if zh.endswith("路") else "Jie" if zh.endswith("街") else "Dadao"
        found.append(_entry("street", zh, en, f"{first} {kind}", f"{first} {local}", *aliases))
    return found


def _places(places: list[dict[str, str]]) -> list[Entry]:
    found = []
    for row in places:
        if row["name_zh"].endswith(("路", "大道", "区")):
            continue
        aliases = [alias for alias in row["aliases"].split("|") if alias]
        # What is also a meter's name is a building as well; the model says which is meant.
        found.append(_entry("place", row["name_zh"], row["name_en"], *aliases))
    return found


def write(entries: list[Entry], path: Path) -> None:
    """Write the entries as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for entry in entries:
            writer.writerow([entry.id, entry.entity, entry.zh, entry.en, "|".join(entry.aliases)])


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[2]
    write(build(here), here / "bot/data/gazetteer/city.csv")
