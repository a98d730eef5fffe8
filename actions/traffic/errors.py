"""Named errors of the traffic module; every message says what is wrong and the mend, in Chinese and English."""

from __future__ import annotations

from typing import Any

from actions.errors import BilingualError


class TrafficError(BilingualError):
    """Base of every error of this module."""

    code = "traffic_error"


class TrafficNotConfigured(TrafficError):
    """No `TrafficService` was handed to `actions.traffic.configure`."""

    code = "not_configured"

    def __init__(self, zh: str = "", en: str = "", **details: Any) -> None:
        super().__init__(
            zh or "交通模块尚未配置：请在 city.yml 中加入 traffic 一节。",
            en or "the traffic module has no service yet; add a `traffic:` section to city.yml",
            **details,
        )


class DataFileError(TrafficError):
    """A file of counts, intersections, parking or roadworks is missing, unreadable or of the wrong shape."""

    code = "data_file"


class CountsError(TrafficError):
    """A table of counts cannot be used at all."""

    code = "counts"


class UnknownUnitError(CountsError):
    """A column of counts names a unit that is not known."""

    code = "unknown_unit"


class NoDemandError(TrafficError):
    """There is no traffic to time a signal for."""

    code = "no_demand"


class NoPlanError(TrafficError):
    """The intersection has no signal plan."""

    code = "no_plan"


class UnknownIntersectionError(TrafficError):
    """No intersection of that name is known."""

    code = "unknown_intersection"


class PlanError(TrafficError):
    """A signal plan breaks a rule: cycle, minimum green, conflict."""

    code = "plan"


class OversaturatedError(TrafficError):
    """No cycle in the allowed range serves the demand."""

    code = "oversaturated"


class FitError(TrafficError):
    """A model cannot be fitted to the table given."""

    code = "fit"


class ForecastError(TrafficError):
    """There is too little history to forecast from."""

    code = "forecast"


class LiveSourceError(TrafficError):
    """A live source is down, slow, or answers nonsense."""

    code = "live_source"


class NetworkError(TrafficError):
    """A SUMO network, route or configuration file cannot be used."""

    code = "network"


class SimulatorMissing(TrafficError):
    """SUMO's library is not installed."""

    code = "simulator_missing"

    def __init__(self, zh: str = "", en: str = "", **details: Any) -> None:
        super().__init__(
            zh or "未安装 SUMO：请安装可选组件 chengda[sumo]（libsumo、traci、sumolib）后再试。",
            en or "SUMO is not installed; install the optional extra chengda[sumo] (libsumo, traci, sumolib)",
            **details,
        )


class SimulationError(TrafficError):
    """SUMO refused the input or stopped half-way."""

    code = "simulation"
