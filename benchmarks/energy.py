"""Measures the energy module: ETTh1, day-ahead WAPE of two public loads, the battery programme, found faults.

    python -m benchmarks.energy --data DIR [--only etth1,day_ahead,battery,anomalies,rows] [--out FILE]

DIR holds `ETTh1.csv`, `pjm_aep_hourly.csv` and `citylearn_building_1.csv`, each plain or .gz. Times are processor
seconds of one thread, which a busy machine does not change; wall seconds stand beside them where they matter.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from actions.energy.anomalies import find_anomalies
from actions.energy.columns import ReadOptions
from actions.energy.demo_meters import KINDS, make_meter
from actions.energy.features import Hourly
from actions.energy.forecast import backtest
from actions.energy.heuristics import all_heuristics
from actions.energy.linear import WindowEnsemble, WindowRidge, windows
from actions.energy.metrics import errors
from actions.energy.optimise import make_problem, optimise, solve
from actions.energy.plant import Battery, Plant
from actions.energy.reading import read_file
from actions.energy.regrid import to_series
from actions.energy.series import LoadSeries
from actions.energy.site import load_site

AHEAD = 96
TRAIN, VALIDATION, TEST = 12 * 30 * 24, 4 * 30 * 24, 4 * 30 * 24
TEST_DAYS, CHOICE_DAYS, REFIT_DAYS = 180, 60, 45
ZONE = ZoneInfo("Asia/Shanghai")


def path_of(folder: Path, name: str) -> Path:
    """Return the plain or compressed file."""
    plain = folder / name
    return plain if plain.exists() else folder / (name + ".gz")


def etth1(folder: Path) -> list[dict[str, Any]]:
    """Multivariate ETTh1, horizon 96: 12/4/4 months, standardised on the training part, every test window."""
    table = pd.read_csv(path_of(folder, "ETTh1.csv")).iloc[:, 1:].to_numpy(float)
    mean, deviation = table[:TRAIN].mean(0), table[:TRAIN].std(0)
    values = ((table - mean) / deviation)[: TRAIN + VALIDATION + TEST].astype(np.float32)
    train = np.arange(24 * 21, TRAIN - AHEAD + 1)
    validation = np.arange(TRAIN, TRAIN + VALIDATION - AHEAD + 1)
    test = np.arange(TRAIN + VALIDATION, len(values) - AHEAD + 1)
    past, truth = windows(values, 24 * 21, AHEAD, test)
    naive = np.tile(past[..., -24:], 4)
    rows = [{"model": "seasonal naive (24 h)", "mse": _mse(naive, truth), "mae": _mae(naive, truth)}]
    rows.append({"model": "DLinear (published)", "mse": 0.375, "mae": 0.399})
    for back in (14 * 24, 21 * 24):
        started = time.process_time()
        ridge = WindowRidge(back)
        ridge.fit(values, AHEAD, np.arange(back, TRAIN - AHEAD + 1))
        guess = ridge.predict(past)
        seconds = time.process_time() - started
        rows.append(
            {
                "model": f"ridge, look-back {back} h",
                "mse": _mse(guess, truth),
                "mae": _mae(guess, truth),
                "cpu_s": seconds,
            }
        )
    started = time.process_time()
    ensemble = WindowEnsemble.standard()
    ensemble.fit(values, AHEAD, train, validation)
    guess = ensemble.predict(past)
    seconds = time.process_time() - started
    rows.append(
        {
            "model": "window ensemble (ours)",
            "mse": _mse(guess, truth),
            "mae": _mae(guess, truth),
            "cpu_s": seconds,
        }
    )
    print("  blend weights", np.round(ensemble.blend, 2))
    return rows


def _mse(guess: np.ndarray, truth: np.ndarray) -> float:
    return float(((guess - truth) ** 2).mean())


def _mae(guess: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(guess - truth).mean())


def citylearn(folder: Path) -> LoadSeries:
    """Read the building with the dates that the file's own days of the week tell.

    Its `day_type` runs from 4 (Wednesday, 1 being Sunday) and skips one day in the fourth year; so do the dates here.
    """
    table = pd.read_csv(path_of(folder, "citylearn_building_1.csv"))
    stamps = pd.date_range("2014-01-01", periods=1461 * 24, freq="1h")
    stamps = stamps[stamps.normalize() != pd.Timestamp("2017-01-01")]
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "citylearn_building_1.csv"
        pd.DataFrame({"time": stamps, "load_kwh": table["non_shiftable_load"]}).to_csv(file, index=False)
        options = ReadOptions(zone="UTC")
        return to_series(read_file(file, options), options)


def pjm(folder: Path) -> LoadSeries:
    """Read the utility's load; its times are Eastern wall time."""
    options = ReadOptions(zone="America/New_York")
    return to_series(read_file(path_of(folder, "pjm_aep_hourly.csv"), options), options)


def day_ahead(folder: Path) -> list[dict[str, Any]]:
    """Forecast 24 hours at every midnight of the last 180 days; the model is chosen on the 60 days before them."""
    rows = []
    for name, series in (("pjm_aep_hourly", pjm(folder)), ("citylearn_building_1", citylearn(folder))):
        started = time.process_time()
        real = np.isfinite(series.power_kw) & ~series.filled
        data = Hourly.make(series.index, series.complete(), real, 24, "US")
        midnights = np.flatnonzero(np.asarray(data.index[: len(data.kw)].hour) == 0)
        midnights = midnights[midnights + 24 <= len(data.kw)][-(TEST_DAYS + CHOICE_DAYS) :]
        guesses, truth = backtest(data, midnights, 24, REFIT_DAYS)
        choice = min(
            guesses, key=lambda model: errors(truth[:CHOICE_DAYS], guesses[model][:CHOICE_DAYS]).mae_kw
        )
        scores = {model: errors(truth[CHOICE_DAYS:], guess[CHOICE_DAYS:]) for model, guess in guesses.items()}
        naive = min(score.wape or 1 for model, score in scores.items() if model.startswith("naive"))
        for model, score in scores.items():
            rows.append(
                {
                    "series": name,
                    "model": model + (" (chosen)" if model == choice else ""),
                    "wape": score.wape,
                    "better_than_best_naive": 1 - (score.wape or 1) / naive,
                }
            )
        rows[-1]["cpu_s"] = time.process_time() - started
    return rows


def battery(folder: Path) -> list[dict[str, Any]]:
    """Seven days of quarter hours for a battery, PV, a demand charge and export, on the demo's City Hall."""
    tariff = load_site(Path("actions/energy/demo/site.yml"), "Asia/Shanghai").tariff
    series = make_meter("city_hall", datetime(2026, 3, 23, tzinfo=ZONE), 8, faults=False)
    index, load = series.index[:672], series.power_kw[:672]
    hour = np.asarray(index.hour + index.minute / 60)
    pv = 120 * 0.7 * np.maximum(0, np.sin((hour - 6) / 12 * np.pi))
    rows = []
    for name, plant, sun in (
        ("battery", Plant(Battery(400, 150, 150, wear_per_kwh=0.03), import_limit_kw=630), None),
        (
            "battery + PV + export",
            Plant(Battery(400, 150, 150, wear_per_kwh=0.03), import_limit_kw=630, export_limit_kw=100),
            pv,
        ),
    ):
        wall = time.perf_counter()
        started = time.process_time()
        schedule = optimise(index, load, tariff, plant, sun)
        seconds, wall = time.process_time() - started, time.perf_counter() - wall
        best = min(rule.cost for rule in all_heuristics(index, load, tariff, plant, sun) if rule.feasible)
        rows.append(
            {
                "case": name,
                "cost": schedule.cost,
                "best_rule": best,
                "gap": schedule.gap,
                "cpu_s": seconds,
                "wall_s": wall,
            }
        )
        problem = make_problem(index, load, tariff, plant, sun)
        started = time.process_time()
        every = {key: np.ones(len(index), bool) for key in problem.risky}
        result = solve(problem, every, 0.001, 30.0)
        rows.append(
            {
                "case": name + ", a binary in every step",
                "cost": float(result.fun),
                "gap": float(result.mip_gap or 0),
                "cpu_s": time.process_time() - started,
            }
        )
    return rows


Fault = tuple[str, int, int]


def inject(series: LoadSeries, seed: int) -> tuple[LoadSeries, list[Fault]]:
    """Put 9 faults of every kind that staff care about into a year of a building, weeks apart."""
    rng = np.random.default_rng(seed)
    kw, day = series.power_kw.copy(), series.per_day
    usual = float(np.median(kw))
    weeks = rng.permutation(np.arange(5, 40))[:8]
    faults: list[Fault] = []

    def put(kind: str, begin: int, hours: float, change: Callable[[np.ndarray], np.ndarray]) -> None:
        end = begin + int(hours * day / 24)
        kw[begin:end] = change(kw[begin:end])
        faults.append((kind, begin, end))

    at = [int(week) * 7 * day + int(rng.integers(0, 5)) * day for week in weeks]
    put("high", at[0] + day * 20 // 24, 9, lambda v: v + 0.6 * usual)
    put("high", at[1] + day * 1 // 24, 5, lambda v: v + 0.8 * usual)
    put("high", at[2] + day * 9 // 24, 8, lambda v: v * 1.5)
    put("low", at[3] + day * 9 // 24, 8, lambda v: v * 0.4)
    put("spike", at[4] + day * 14 // 24, 0.5, lambda v: v * 3)
    put("spike", at[5] + day * 3 // 24, 0.5, lambda v: v * 4)
    put("stuck", at[6] + day * 6 // 24, 20, lambda v: np.full_like(v, v[0]))
    put("silent", at[7] + day * 8 // 24, 6, lambda v: v * 0)
    begin = 46 * 7 * day
    kw[begin:] += 0.3 * usual
    faults.append(("level_shift", begin, len(kw)))
    return replace(series, power_kw=kw), faults


def anomalies(folder: Path) -> list[dict[str, Any]]:
    """Precision and recall by event on the demo's buildings with injected faults; and on the two public loads."""
    end = datetime(2026, 3, 23, tzinfo=ZONE)
    sources = {name: make_meter(name, end, 370, faults=False) for name in KINDS}
    public = {"pjm_aep_hourly": pjm(folder), "citylearn_building_1": citylearn(folder)}
    sources |= {name: series.at(slice(len(series) - 370 * 24, None)) for name, series in public.items()}
    rows = []
    for name, clean in sources.items():
        hits = wanted = right = raised = 0
        before = len(find_anomalies(clean, None, "CN" if name in KINDS else "US"))
        for seed in range(2):
            series, faults = inject(clean, seed)
            found = find_anomalies(series, None, "CN" if name in KINDS else "US")
            spans = [
                (int(series.index.searchsorted(f.start)), int(series.index.searchsorted(f.end)), f.kind)
                for f in found
            ]
            day = series.per_day
            for kind, begin, end_at in faults:
                wanted += 1
                if kind == "level_shift":
                    hits += any(
                        k in ("level_shift", "night_base_load") and abs(b - begin) <= 3 * day
                        for b, _, k in spans
                    )
                else:
                    hits += any(b < end_at and begin < e and e - b < 4 * day for b, e, _ in spans)
            for begin, end_at, kind in spans:
                raised += 1
                if kind in ("level_shift", "night_base_load"):
                    right += any(k == "level_shift" and abs(b - begin) <= 3 * day for k, b, _ in faults)
                else:
                    right += any(k != "level_shift" and b < end_at and begin < e for k, b, e in faults)
        rows.append(
            {
                "series": name,
                "faults": wanted,
                "recall": hits / wanted,
                "precision": right / max(1, raised),
                "found_without_faults": before,
            }
        )
    demo = [row for row in rows if row["series"] in KINDS]
    rows.append(
        {
            "series": "demo, mean",
            **{key: float(np.mean([row[key] for row in demo])) for key in ("recall", "precision")},
        }
    )
    return rows


def rows(folder: Path) -> list[dict[str, Any]]:
    """Read 10 million minutes from CSV in a child process and report its peak memory."""
    import subprocess
    import sys

    out = []
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "minutes.csv"
        stamps = pd.date_range("2005-01-01", periods=200_000, freq="1min")
        with file.open("w") as stream:
            stream.write("time,load_kw\n")
            for block in range(50):
                part = stamps + pd.Timedelta(minutes=200_000 * block)
                stream.writelines(
                    f"{text},{50 + k % 37}\n" for k, text in enumerate(part.strftime("%Y-%m-%d %H:%M"))
                )
        code = (
            "import resource,time;t=time.process_time();"
            "from actions.energy.reading import read_file;from actions.energy.regrid import to_series;"
            "b=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
            f"s=to_series(read_file({str(file)!r}));"
            "print(len(s),b/1024,resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024,time.process_time()-t)"
        )
        text = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        out.append(
            {
                "rows": 10_000_000,
                "file_mb": file.stat().st_size / 2**20,
                "steps": int(text[0]),
                "base_mb": float(text[1]),
                "peak_mb": float(text[2]),
                "cpu_s": float(text[3]),
            }
        )
    return out


PARTS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "etth1": etth1,
    "day_ahead": day_ahead,
    "battery": battery,
    "anomalies": anomalies,
    "rows": rows,
}


def main() -> None:
    """Run the parts asked for and print their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {}
    with threadpool_limits(1):
        for name in given.only.split(","):
            results[name] = PARTS[name](given.data)
            print(f"\n{name}")
            print(
                pd.DataFrame(results[name]).to_string(index=False, float_format=lambda v: f"{v:.4g}"),
                flush=True,
            )
            if given.out:
                given.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
