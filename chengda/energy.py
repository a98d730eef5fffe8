"""`chengda energy`: analyse, forecast and optimise the user's own meter file."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from chengda.console_output import console, plain_errors, step
from city.settings import SettingsError, load_settings, module_section

if TYPE_CHECKING:
    from actions.energy.series import LoadSeries
    from actions.energy.tariff import Tariff

app = typer.Typer(
    no_args_is_help=True,
    help="Understand, forecast and lower consumption from a meter file. 用电分析、预测与优化。",
)

_FILE = typer.Argument(..., help="CSV (also .gz), Parquet or NGSI-LD JSON. 数据文件。")
_COLUMN = typer.Option("", help="Column to analyse. 用电列。")
_UNIT = typer.Option("", help="kW, kWh, MW, W, Wh, MWh, or meter_kWh for cumulative readings. 单位。")
_ZONE = typer.Option("", "--time-zone", help="Zone of times without offset; default: the city's. 时区。")
_TIME = typer.Option("", "--time-column", help="Column of times. 时间列。")
_TEMPERATURE = typer.Option("", "--temperature-column", help="Column of outdoor temperatures in °C. 气温列。")
_START = typer.Option("", "--start", help="First stamp of a table without times. 起始时间。")
_STEP = typer.Option(0, "--step", help="Its step in minutes. 步长（分钟）。")
_ORDER = typer.Option("", "--date-order", help="dmy or mdy, for dates such as 01/02/2026.")
_NET = typer.Option(False, "--net", help="Negative values are export. 负值为上网。")
_TARIFF = typer.Option(None, "--tariff", help="YAML of the tariff; default: the demo's. 电价文件。")
_COUNTRY = typer.Option(
    "", "--country", help="ISO code whose public holidays count; default: city.yml's. 节假日所属国家。"
)
_LANGUAGE = typer.Option("", "--language", help="zh or en; default: city.yml's. 语言。")


class _Input:
    """A file read as the options say, with the tariff, the country and the language."""

    def __init__(
        self, file: Path = _FILE, column: str = _COLUMN, unit: str = _UNIT, zone: str = _ZONE, time: str = _TIME,
        temperature: str = _TEMPERATURE, start: str = _START, step_min: int = _STEP, order: str = _ORDER,
        net: bool = _NET, tariff: Path | None = _TARIFF, country: str = _COUNTRY, language: str = _LANGUAGE,
    ) -> None:  # fmt: skip
        from actions.energy.calendars import known_country
        from actions.energy.columns import ReadOptions
        from actions.energy.reading import read_file
        from actions.energy.regrid import to_series
        from actions.energy.settings import EnergySection
        from actions.energy.tariff import Tariff

        if order not in ("", "dmy", "mdy"):
            raise typer.BadParameter("use dmy or mdy", param_hint="--date-order")
        if language not in ("", "zh", "en"):
            raise typer.BadParameter("use zh or en", param_hint="--language")
        settings = load_settings()
        section = module_section(settings, "energy", EnergySection) or EnergySection()
        self.language = language or settings.city.default_language
        self.country = country.upper() or section.country
        if not known_country(self.country):
            raise typer.BadParameter(f"no holidays are known for {country!r}", param_hint="--country")
        self.co2_kg_per_kwh: float = section.co2_kg_per_kwh
        self.now = datetime.now(ZoneInfo(settings.city.time_zone))
        options = ReadOptions(
            column=column,
            time_column=time,
            temperature_column=temperature,
            unit=unit,
            zone=zone or settings.city.time_zone,
            date_order="dmy" if order == "dmy" else "mdy" if order == "mdy" else "",
            start=start or None,
            step_min=step_min or None,
            net=net,
        )
        site = settings.path(section.site)
        self.tariff: Tariff = Tariff.load(tariff or site)
        raw = step(f"读取 · reading {file.name}", lambda: read_file(file, options))
        self.series: LoadSeries = to_series(raw, options, self.now)
        quality = self.series.quality
        self.file = file
        console.print(
            f"  {quality.rows:,} rows · {quality.unit} · {self.series.step_min} min · {quality.coverage:.1%} · "
            f"{self.series.index[0]:%Y-%m-%d} – {self.series.end:%Y-%m-%d %H:%M}"
        )
        for note in quality.notes:
            console.print(f"  [yellow]•[/] {note.text(self.language)}")


def _reads_series(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_Input` before its own; it gets the file read, its errors are shown plainly."""
    shared = inspect.signature(_Input).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        from actions.energy.errors import EnergyError

        with plain_errors(SettingsError, EnergyError):
            command(_Input(**{name: values.pop(name) for name in shared}), **values)

    run.__signature__ = inspect.Signature([*shared.values(), *own])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*shared.values(), *own)}
    return run


@app.command("report")
@_reads_series
def report(
    given: _Input,
    out: Path | None = typer.Option(None, "--out", help="HTML file; default: in this folder. 输出文件。"),
    measure: str = typer.Option(
        "", "--measure", help="Date of a past measure to verify, as 2026-03-01. 措施日期。"
    ),
) -> None:
    """Write an HTML report with charts. 生成 HTML 报告。"""
    import pandas as pd

    from actions.energy.report import analyse, to_html

    when = None
    if measure:
        try:
            when = pd.Timestamp(measure)
        except ValueError:
            raise typer.BadParameter("write it as 2026-03-01", param_hint="--measure") from None
    found = step(
        "分析 · analysing",
        lambda: analyse(given.series, given.tariff, 48, given.country, given.co2_kg_per_kwh, when),
    )
    target = out or Path(given.file.name.split(".")[0] + ".report.html")
    target.write_text(to_html(found, given.language, given.now), encoding="utf-8")
    for problem in found.problems:
        console.print(f"  [yellow]•[/] {problem.text(given.language)}")
    console.print(f"[green]✓[/] {len(found.findings)} findings → {target}")


@app.command("forecast")
@_reads_series
def forecast(
    given: _Input,
    hours: int = typer.Option(24, min=1, max=168, help="1 to 168. 小时数。"),
    out: Path | None = typer.Option(None, "--out", help="CSV of p10, p50 and p90. 输出 CSV。"),
) -> None:
    """Forecast the next hours with p10, p50 and p90. 预测。"""
    from actions.energy.forecast import forecast as make
    from actions.energy.phrases import MODELS, energy, number

    made = step("预测 · forecasting", lambda: make(given.series, hours, given.country))
    table = Table("model", "MAE kW", "WAPE", "MASE", "MAPE", "pinball kW", "80 % cover")
    for name, score in made.scores.items():
        shown = MODELS[name][0 if given.language == "zh" else 1] + (" ✓" if name == made.model else "")
        table.add_row(
            shown,
            number(score.mae_kw),
            "–" if score.wape is None else f"{score.wape:.2%}",
            "–" if score.mase is None else f"{score.mase:.3f}",
            "–" if score.mape is None else f"{score.mape:.2%}",
            "–" if score.pinball_kw is None else number(score.pinball_kw),
            "–" if score.coverage_80 is None else f"{score.coverage_80:.0%}",
        )
    console.print(table)
    console.print(
        f"{hours} h: {energy(made.energy_kwh)}, {made.better_than_naive:.0%} better than seasonal naive"
    )
    target = out or Path(given.file.name.split(".")[0] + ".forecast.csv")
    rows = ["time,p10_kw,p50_kw,p90_kw"]
    rows += [
        f"{s.isoformat()},{a:.6g},{b:.6g},{c:.6g}"
        for s, a, b, c in zip(made.index, made.p10_kw, made.p50_kw, made.p90_kw, strict=False)
    ]
    target.write_text("\n".join(rows) + "\n", encoding="utf-8")
    console.print(f"[green]✓[/] {target}")


@app.command("anomalies")
@_reads_series
def anomalies(
    given: _Input,
    out: Path | None = typer.Option(None, "--out", help="JSON file of the findings. 输出 JSON。"),
) -> None:
    """List unusual use, level shifts, night base load, and meter faults. 找异常。"""
    from actions.energy.anomalies import find_anomalies
    from actions.energy.phrases import finding_text

    found = step(
        "找异常 · looking for anomalies",
        lambda: find_anomalies(given.series, given.tariff, given.country),
    )
    for finding in found:
        console.print(f"• {finding_text(finding, given.language, given.tariff.currency)}", soft_wrap=True)
    console.print(f"[green]✓[/] {len(found)} findings")
    if out:
        rows = [
            {
                "kind": f.kind, "start": f.start.isoformat(), "end": f.end.isoformat(),
                "expected_kwh": round(f.expected_kwh, 3), "actual_kwh": round(f.actual_kwh, 3),
                "peak_kw": round(f.peak_kw, 3), "cost": None if f.cost is None else round(f.cost, 2),
            }
            for f in found
        ]  # fmt: skip
        out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


@app.command("optimise")
@_reads_series
def optimise(
    given: _Input,
    hours: int = typer.Option(48, min=24, max=168, help="Horizon. 时段（小时）。"),
    capacity_kwh: float = typer.Option(..., "--battery-kwh", help="Battery capacity. 电池容量。"),
    power_kw: float = typer.Option(..., "--battery-kw", help="Charge and discharge limit. 充放功率。"),
    import_limit_kw: float = typer.Option(float("inf"), "--import-limit-kw", help="Connection. 进线容量。"),
    export_limit_kw: float = typer.Option(0.0, "--export-limit-kw", help="Export limit. 上网限额。"),
    out: Path | None = typer.Option(None, "--out", help="CSV of the schedule. 输出 CSV。"),
) -> None:
    """Plan a battery at least cost on the forecast. 电池计划。"""
    from actions.energy.forecast import forecast as make
    from actions.energy.phrases import amount
    from actions.energy.plant import Battery, Plant
    from actions.energy.rolling import make_plan

    plant = Plant(
        Battery(capacity_kwh, power_kw, power_kw),
        import_limit_kw=import_limit_kw,
        export_limit_kw=export_limit_kw,
    )
    made = step("预测 · forecasting", lambda: make(given.series, hours, given.country))
    plan = step("优化 · optimising", lambda: make_plan(made, given.tariff, plant))
    schedule, currency = plan.schedule, given.tariff.currency
    console.print(
        f"without battery {amount(plan.idle.total, currency)} · optimised {amount(schedule.cost, currency)} · "
        f"saved {amount(plan.saving, currency)}"
    )
    for dispatch in plan.heuristics:
        console.print(
            f"  rule {dispatch.name}: {amount(dispatch.cost, currency)}{'' if dispatch.feasible else ' (breaks a limit)'}"
        )
    console.print(
        f"peak {schedule.bill.peak_kw:.1f} kW · gap {schedule.gap:.3%} · {schedule.seconds:.2f} s · "
        f"if the load reaches p90: saved {amount(plan.saving_if_high, currency)}"
    )
    target = out or Path(given.file.name.split(".")[0] + ".schedule.csv")
    rows = ["time,load_kw,charge_kw,discharge_kw,soc_kwh,grid_kw"]
    columns = zip(
        schedule.index,
        made.p50_kw,
        schedule.charge_kw,
        schedule.discharge_kw,
        schedule.soc_kwh,
        schedule.grid_kw,
        strict=False,
    )
    rows += [f"{stamp.isoformat()}," + ",".join(f"{v:.4f}" for v in values) for stamp, *values in columns]
    target.write_text("\n".join(rows) + "\n", encoding="utf-8")
    console.print(f"[green]✓[/] {target}")
