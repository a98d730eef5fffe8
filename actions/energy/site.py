"""Reads the site file: buildings with their meters and equipment, the tariffs, and planned outages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from actions.energy.bills import Tier
from actions.energy.columns import ReadOptions
from actions.energy.errors import BadSite, FileUnreadable
from actions.energy.plant import Battery
from actions.energy.tariff import Tariff

_READ_KEYS = {"column", "time_column", "temperature_column", "unit", "zone", "date_order", "net"}


@dataclass(frozen=True)
class Building:
    """One metered building; `source` is a file, an http(s) address, or `demo:<id>`."""

    id: str
    zh: str
    en: str
    source: str
    district: str = ""
    aliases: tuple[str, ...] = ()
    area_m2: float = 0.0
    import_limit_kw: float = float("inf")
    export_limit_kw: float = 0.0
    pv_kwp: float = 0.0
    open_h: tuple[float, float] | None = None
    battery: Battery | None = None
    options: ReadOptions = field(default_factory=ReadOptions)

    def name(self, language: str) -> str:
        """Return the name in `language`."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class Site:
    """Everything the site file says."""

    buildings: tuple[Building, ...]
    tariff: Tariff
    tiers: tuple[Tier, ...]
    outages: Path | str
    zone: str
    source_zh: str = ""
    source_en: str = ""

    def source(self, language: str) -> str:
        """Return who publishes the figures, in `language`."""
        return self.source_zh if language == "zh" else self.source_en


def load_site(path: Path | str, zone: str) -> Site:
    """Read a site file.

    Args:
        path: YAML; paths in it are relative to its folder.
        zone: the city's time zone, for meters that name none.

    Raises:
        FileUnreadable, BadSite, BadTariff, BadBattery.
    """
    path = Path(path)
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise FileUnreadable(str(path), reason=str(error).splitlines()[0]) from error
    if not isinstance(data, Mapping):
        raise BadSite(str(path), key="/", reason=("应为键值结构", "the file must hold keys"))
    rows = data.get("buildings") or []
    buildings = tuple(_building(path, number, row, zone) for number, row in enumerate(rows))
    if not buildings:
        raise BadSite(str(path), key="buildings", reason=("没有建筑", "it lists no building"))
    names: dict[str, str] = {}
    for building in buildings:
        if building.id in names:
            raise BadSite(
                str(path), key=f"buildings.{building.id}", reason=("编号重复", "the id is used twice")
            )
        names[building.id] = building.zh
    tiers = tuple(
        Tier(float(row["up_to_kwh_per_year"] or "inf"), float(row["price"]))
        for row in data.get("residential_tiers") or ()
    )
    outages: Path | str = str(data.get("outages") or "")
    if outages and not str(outages).startswith(("http://", "https://", "demo")):
        outages = path.parent / str(outages)
    source = data.get("source") or {}
    return Site(
        buildings,
        Tariff.from_dict(data.get("tariff") or {}),
        tiers,
        outages,
        zone,
        str(source.get("zh", "")),
        str(source.get("en", "")),
    )


def _building(path: Path, number: int, row: Any, zone: str) -> Building:
    key = f"buildings[{number}]"
    if not isinstance(row, Mapping):
        raise BadSite(str(path), key=key, reason=("应为键值结构", "it must hold keys"))
    for name in ("id", "zh", "en", "meter"):
        if name not in row:
            raise BadSite(str(path), key=f"{key}.{name}", reason=("缺失", "is missing"))
    meter = row["meter"] if isinstance(row["meter"], Mapping) else {"source": row["meter"]}
    unknown = set(meter) - _READ_KEYS - {"source"}
    if unknown or "source" not in meter:
        reason = f"known keys: source, {', '.join(sorted(_READ_KEYS))}"
        raise BadSite(str(path), key=f"{key}.meter", reason=(reason, reason))
    source = str(meter["source"])
    if not source.startswith(("http://", "https://", "demo:")):
        source = str(path.parent / source)
    options = {name: meter[name] for name in _READ_KEYS & set(meter)}
    hours = row.get("open_h")
    try:
        battery = Battery(**row["battery"]) if row.get("battery") else None
        return Building(
            id=str(row["id"]),
            zh=str(row["zh"]),
            en=str(row["en"]),
            source=source,
            district=str(row.get("district", "")),
            aliases=tuple(str(alias) for alias in row.get("aliases") or ()),
            area_m2=float(row.get("area_m2", 0)),
            import_limit_kw=float(row.get("import_limit_kw", "inf")),
            export_limit_kw=float(row.get("export_limit_kw", 0)),
            pv_kwp=float(row.get("pv_kwp", 0)),
            open_h=(float(hours[0]), float(hours[1])) if hours else None,
            battery=battery,
            options=ReadOptions(**{"zone": zone, **options}),
        )
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise BadSite(str(path), key=key, reason=(str(error), str(error))) from error
