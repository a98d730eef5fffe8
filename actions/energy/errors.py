"""Named errors of the energy module; each message says the place, the problem and the mend, in zh and en."""

from __future__ import annotations

from typing import Any, ClassVar

from actions.errors import NotConfiguredError


class EnergyNotConfigured(NotConfiguredError):
    """No `EnergyService` was handed to `actions.energy.configure`."""

    def __init__(self) -> None:
        super().__init__("actions.energy has no service yet; give city.yml an `energy:` section")


class EnergyError(Exception):
    """Base of every error of this module.

    Args:
        where: the file, column or building to blame; may be empty.
        details: values for the message; a pair is (Chinese, English).
    """

    code: ClassVar[str] = "energy_error"
    zh: ClassVar[str] = "无法处理能耗数据"
    en: ClassVar[str] = "the energy data cannot be used"
    mend_zh: ClassVar[str] = "请检查数据。"
    mend_en: ClassVar[str] = "Check the data."

    def __init__(self, where: str = "", **details: Any) -> None:
        self.where, self.details = where, details
        super().__init__(self.text("en"))

    def text(self, language: str) -> str:
        """Return the message in `language` ("zh", else English)."""
        zh = language == "zh"
        details = {k: v[0 if zh else 1] if isinstance(v, tuple) else v for k, v in self.details.items()}
        problem = (self.zh if zh else self.en).format(**details)
        mend = (self.mend_zh if zh else self.mend_en).format(**details)
        colon, stop = ("：", "。") if zh else (": ", ". ")
        return f"{self.where}{colon if self.where else ''}{problem}{stop}{mend}"

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.where, self.details)


def _rebuild(kind: type[EnergyError], where: str, details: dict[str, Any]) -> EnergyError:
    return kind(where, **details)


class FileUnreadable(EnergyError):
    code = "file_unreadable"
    zh, en = "文件无法读取（{reason}）", "the file cannot be read ({reason})"
    mend_zh, mend_en = (
        "请提供 CSV、Parquet 或 NGSI-LD JSON 文件。",
        "Give a CSV, Parquet or NGSI-LD JSON file.",
    )


class SourceUnreachable(EnergyError):
    code = "source_unreachable"
    zh, en = "数据接口没有给出可用的数据（{reason}）", "the data service gave nothing usable ({reason})"
    mend_zh, mend_en = "请检查地址与网络后重试。", "Check the address and the network, then try again."


class NoTimeColumn(EnergyError):
    code = "no_time_column"
    zh, en = "没有时间列（现有列：{columns}）", "no column holds times (columns: {columns})"
    mend_zh = "请用 --time-column 指明，或用 --start 和 --step 给出起始时间与步长（分钟）。"
    mend_en = (
        "Name it with --time-column, or give the first stamp and the step with --start and --step (minutes)."
    )


class NoValueColumn(EnergyError):
    code = "no_value_column"
    zh, en = "没有可用的数值列（现有列：{columns}）", "no column holds numbers (columns: {columns})"
    mend_zh, mend_en = "请用 --column 指明用电列。", "Name the consumption column with --column."


class AmbiguousColumn(EnergyError):
    code = "ambiguous_column"
    zh, en = "有多个数值列（{columns}）", "several columns hold numbers ({columns})"
    mend_zh, mend_en = "请用 --column 指明其中一列。", "Name one of them with --column."


class UnknownUnit(EnergyError):
    code = "unknown_unit"
    zh, en = "列 {column} 没有写明单位", "column {column} does not say its unit"
    mend_zh, mend_en = (
        "请用 --unit 给出 kW、kWh 或 meter_kWh（电表示数）等。",
        ("Give it with --unit: kW, kWh, MW, W, Wh, MWh, or meter_kWh for cumulative readings."),
    )


class WrongUnit(EnergyError):
    code = "wrong_unit"
    zh, en = "单位 {unit} 与数据不符：{reason}", "unit {unit} does not fit the data: {reason}"
    mend_zh, mend_en = "请用 --unit 改正单位。", "Correct it with --unit."


class TextInNumbers(EnergyError):
    code = "text_in_numbers"
    zh = "列 {column} 有 {share} 的值不是数字，例如第 {line} 行的 {value!r}"
    en = "{share} of column {column} is no number, for example {value!r} in row {line}"
    mend_zh, mend_en = (
        "请改正该列，或用 --column 另选一列。",
        "Mend the column, or choose another with --column.",
    )


class BadTimes(EnergyError):
    code = "bad_times"
    zh = "列 {column} 有 {share} 的时间无法识别，例如第 {line} 行的 {value!r}"
    en = "{share} of the times in column {column} cannot be read, for example {value!r} in row {line}"
    mend_zh, mend_en = "请改用 2026-01-31 13:45 这样的写法。", "Write them as 2026-01-31 13:45."


class AmbiguousDates(EnergyError):
    code = "ambiguous_dates"
    zh, en = (
        "日期 {value!r} 分不清日在前还是月在前",
        "dates such as {value!r} may be day-first or month-first",
    )
    mend_zh, mend_en = "请用 --date-order dmy 或 mdy 指明。", "Say which with --date-order dmy or mdy."


class MixedTimeZones(EnergyError):
    code = "mixed_time_zones"
    zh = "有的时间带时区（如 {aware!r}），有的不带（如 {naive!r}）"
    en = "some times carry a UTC offset ({aware!r}) and others do not ({naive!r})"
    mend_zh, mend_en = "请统一写法：全部带时区，或全部不带。", "Write all of them with an offset, or none."


class UnknownZone(EnergyError):
    code = "unknown_zone"
    zh, en = "没有 {zone!r} 这个时区", "{zone!r} is no IANA time zone"
    mend_zh, mend_en = "请用 Asia/Shanghai 这样的名称。", "Use a name such as Asia/Shanghai."


class TooFewRows(EnergyError):
    code = "too_few_rows"
    zh, en = (
        "只有 {rows} 条可用记录，{purpose}至少需要 {needed}",
        ("only {rows} usable rows; {purpose} needs at least {needed}"),
    )
    mend_zh, mend_en = "请提供更长的数据。", "Give a longer series."


class TooManyRows(EnergyError):
    code = "too_many_rows"
    zh, en = "超过 {limit} 行的上限", "more than the limit of {limit} rows"
    mend_zh, mend_en = (
        "请先按 15 分钟汇总或分年提交。",
        "Aggregate to 15 minutes first, or give one year at a time.",
    )


class AllZeros(EnergyError):
    code = "all_zeros"
    zh, en = "所有值都是 0，没有可分析的用电", "every value is 0, there is no consumption to analyse"
    mend_zh, mend_en = "请检查电表、列名和单位。", "Check the meter, the column and the unit."


class FutureStamps(EnergyError):
    code = "future_stamps"
    zh, en = (
        "所有时间都在现在（{now}）之后，最早为 {first}",
        "every stamp lies after now ({now}); the first is {first}",
    )
    mend_zh, mend_en = "请检查年份与时区。", "Check the year and the time zone."


class NegativeValues(EnergyError):
    code = "negative_values"
    zh, en = "{share} 的值为负", "{share} of the values are negative"
    mend_zh, mend_en = (
        "若这是含光伏上网的净负荷，请加 --net；否则请检查接线方向。",
        ("If this is net load with export, pass --net; otherwise check the meter's direction."),
    )


class IrregularStep(EnergyError):
    code = "irregular_step"
    zh, en = (
        "时间间隔不规则（最常见的间隔只占 {share}），无法确定每条 kWh 对应多长时间",
        (
            "the stamps are irregular (the commonest step covers {share}), so the time behind each kWh is unknown"
        ),
    )
    mend_zh, mend_en = (
        "请提供功率（kW）、电表示数（meter_kWh）或等间隔数据。",
        ("Give power (kW), cumulative readings (meter_kWh), or equal steps."),
    )


class BadStep(EnergyError):
    code = "bad_step"
    zh, en = (
        "步长为 {step}，{purpose}需要不大于 {needed} 的步长",
        ("the step is {step}; {purpose} needs {needed} or finer"),
    )
    mend_zh, mend_en = "请提供更细的数据。", "Give finer data."


class BadTariff(EnergyError):
    code = "bad_tariff"
    zh, en = "电价的 {field} 不合理：{reason}", "tariff field {field} is not possible: {reason}"
    mend_zh, mend_en = "请改正电价文件。", "Correct the tariff."


class BadBattery(EnergyError):
    code = "bad_battery"
    zh, en = "电池的 {field} 不合理：{reason}", "battery field {field} is not possible: {reason}"
    mend_zh, mend_en = "请改正电池参数。", "Correct the battery."


class BadPlant(EnergyError):
    code = "bad_plant"
    zh, en = "{field} 不合理：{reason}", "{field} is not possible: {reason}"
    mend_zh, mend_en = "请改正该参数。", "Correct that value."


class Infeasible(EnergyError):
    """No schedule meets every limit; `reasons` names the limits that cannot hold together."""

    code = "infeasible"
    zh, en = (
        "没有满足所有限制的方案。冲突的限制：{reasons}",
        "no schedule meets every limit. In conflict: {reasons}",
    )
    mend_zh, mend_en = "请放宽上述限制之一。", "Relax one of them."


class SolverFailed(EnergyError):
    code = "solver_failed"
    zh, en = (
        "求解器在 {seconds} 秒内没有得到结果（{status}）",
        "the solver found no schedule within {seconds} s ({status})",
    )
    mend_zh, mend_en = "请缩短时段或放宽求解时间。", "Shorten the horizon or allow more time."


class UnknownBuilding(EnergyError):
    code = "unknown_building"
    zh, en = "没有 {name} 的电表", "no meter is known for {name}"
    mend_zh, mend_en = "已接入：{known}。", "Connected: {known}."


class NoDataInPeriod(EnergyError):
    code = "no_data_in_period"
    zh, en = "{period} 没有数据（现有 {first} 至 {last}）", "no data for {period} (held: {first} to {last})"
    mend_zh, mend_en = "请换一个时段。", "Choose another period."


class BadSite(EnergyError):
    code = "bad_site"
    zh, en = "键 {key}：{reason}", "key {key}: {reason}"
    mend_zh, mend_en = (
        "请对照 actions/energy/demo/site.yml 改正。",
        "Correct it after actions/energy/demo/site.yml.",
    )
