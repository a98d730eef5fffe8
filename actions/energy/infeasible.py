"""Says which limits make a scheduling problem infeasible: the smallest total breach shows them."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from actions.energy.model import Problem, Ways

_ELASTIC = ("import_limit", "export_limit", "battery_end", "comfort")
_NAMES = {
    "import_limit": ("进线容量 {limit:.0f} kW", "the import limit of {limit:.0f} kW", "kW"),
    "export_limit": ("上网限额 {limit:.0f} kW", "the export limit of {limit:.0f} kW", "kW"),
    "battery_end": ("期末电量 {limit:.0f} kWh", "the battery's {limit:.0f} kWh at the end", "kWh"),
    "comfort": ("室温 {low:.1f}–{high:.1f} °C", "the indoor band of {low:.1f}–{high:.1f} °C", "K"),
}


def explain(problem: Problem, exclusive: Ways) -> tuple[str, str]:
    """Return, in Chinese and English, the limits that cannot hold together, by how much and first when.

    Method: every soft limit gets a slack (elastic filter, Chinneck 2008); the least weighted sum of slacks is found.
    """
    rows = problem.relaxed_rows(exclusive)
    soft = np.flatnonzero(np.isin(rows.names.astype(str), _ELASTIC))
    count = len(soft)
    below = sparse.csr_matrix((np.ones(count), (soft, np.arange(count))), shape=(len(rows.low), count))
    matrix = sparse.hstack([rows.matrix, below, -below], format="csr")
    size = problem.layout.size
    cost = np.concatenate([np.zeros(size), np.ones(2 * count)])
    result = milp(
        cost,
        integrality=np.concatenate([problem.integrality(exclusive), np.zeros(2 * count)]),
        bounds=Bounds(
            np.concatenate([problem.lower, np.zeros(2 * count)]),
            np.concatenate([problem.upper, np.full(2 * count, np.inf)]),
        ),
        constraints=LinearConstraint(matrix, rows.low, rows.high),
        options={"time_limit": 20.0, "mip_rel_gap": 0.01},
    )
    if result.x is None:
        return "充放电与负荷平衡", "the balance of load, battery and grid"
    breach = result.x[size : size + count] + result.x[size + count :]
    zh, en = [], []
    for name in _ELASTIC:
        mine = np.flatnonzero(rows.names[soft] == name)
        over = breach[mine]
        if not len(mine) or over.max() < 1e-6:
            continue
        first = int(np.argmax(over > 1e-6))
        row = soft[mine[first]]
        limits = {
            "limit": rows.low[row] if name == "battery_end" else rows.high[row],
            "low": rows.low[row],
            "high": rows.high[row],
        }
        unit = _NAMES[name][2]
        when = problem.index[-1] if name == "battery_end" else problem.index[first]
        stamp = when.strftime("%Y-%m-%d %H:%M")
        zh.append(f"{_NAMES[name][0].format(**limits)}（自 {stamp} 起超出，最多 {over.max():.1f} {unit}）")
        en.append(
            f"{_NAMES[name][1].format(**limits)} (exceeded from {stamp}, by up to {over.max():.1f} {unit})"
        )
    return "；".join(zh) or "未知", "; ".join(en) or "unknown"
