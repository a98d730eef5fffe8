"""Named errors of the transit module; every message says the file, line, field and the mend, in zh and en."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from actions.errors import NotConfiguredError


class TransitError(Exception):
    """Base of every error of this module."""


class TransitNotConfigured(TransitError, NotConfiguredError):
    """No `TransitService` was handed to `actions.transit.configure`."""

    def __init__(self) -> None:
        super().__init__(
            "actions.transit has no service yet; call actions.transit.configure(TransitService.load(...)) at start"
        )


class NaiveTimeError(TransitError):
    """A time without a time zone was passed where an aware one is needed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no time zone; pass an aware datetime, e.g. datetime.now(ZoneInfo('Asia/Shanghai'))"
        )


class PlacesError(TransitError):
    """The places table (CSV of landmarks) cannot be read."""

    def __init__(self, path: object, line: int | None, problem: str, mend: str) -> None:
        at = f"{path} line {line}" if line else f"{path}"
        super().__init__(f"{at}: {problem}. {mend}")


class FeedError(TransitError):
    """A GTFS feed, or one row of it, cannot be used.

    Args:
        file: name of the table, or path of the feed.
        line: physical line in that table, counted from 1, where known.
        field: column name, where one is to blame.
        details: values filled into the message of the subclass; a pair is (Chinese, English).
    """

    code: ClassVar[str] = "feed_error"
    zh: ClassVar[str] = "无法读取时刻表"
    en: ClassVar[str] = "the feed cannot be read"
    mend_zh: ClassVar[str] = "请向数据提供方索取新的 GTFS 文件。"
    mend_en: ClassVar[str] = "Ask the publisher for a new GTFS file."

    def __init__(self, file: str = "", line: int | None = None, field: str = "", **details: Any) -> None:
        self.file, self.line, self.field, self.details = file, line, field, details
        super().__init__(self.text("en"))

    def text(self, language: str) -> str:
        """Return the message in `language` ("zh", else English)."""
        zh = language == "zh"
        parts = [self.file] if self.file else []
        if self.line:
            parts.append(f"第 {self.line} 行" if zh else f"line {self.line}")
        if self.field:
            parts.append(f"字段 {self.field}" if zh else f"field {self.field}")
        where = " ".join(parts)
        details = {
            k: v[0 if zh else 1] if isinstance(v, (tuple, list)) else v for k, v in self.details.items()
        }
        problem = (self.zh if zh else self.en).format(**details)
        mend = (self.mend_zh if zh else self.mend_en).format(**details)
        colon = "：" if zh else ": "
        stop = "。" if zh else ". "
        return f"{where}{colon if where else ''}{problem}{stop}{mend}"

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.file, self.line, self.field, self.details)


def _rebuild(
    kind: type[FeedError], file: str, line: int | None, field: str, details: dict[str, Any]
) -> FeedError:
    return kind(file, line, field, **details)


class FeedNotFound(FeedError):
    code = "feed_not_found"
    zh, en = "找不到该文件或文件夹", "no such file or folder"
    mend_zh = "请在 city.yml 中把 transit.feed 指向一个 GTFS 压缩包或文件夹。"
    mend_en = "Point transit.feed in city.yml at a GTFS zip or folder."


class FeedArchiveError(FeedError):
    code = "feed_archive"
    zh, en = "压缩包损坏或不完整（{reason}）", "the zip is damaged or incomplete ({reason})"
    mend_zh, mend_en = "请重新下载该文件。", "Download the file again."


class FeedTooLarge(FeedError):
    code = "feed_too_large"
    zh, en = "解压后超过上限 {limit}", "more than the limit of {limit} when unpacked"
    mend_zh = "若该数据确实可信，请提高 actions.transit.source.Limits。"
    mend_en = "If the feed is trusted, raise actions.transit.source.Limits."


class FeedMissingFile(FeedError):
    code = "missing_file"
    zh, en = "缺少必需的文件", "this required file is missing"
    mend_zh, mend_en = "请把该文件放在压缩包的最上层。", "Put it at the top level of the zip."


class FeedMissingColumn(FeedError):
    code = "missing_column"
    zh, en = "表头缺少此必需列", "the header lacks this required column"
    mend_zh, mend_en = "请在第一行加上该列名。", "Name the column in the first line."


class FeedEmpty(FeedError):
    code = "empty"
    zh, en = "没有可用的数据行", "no usable rows"
    mend_zh, mend_en = "请检查该表是否导出完整。", "Check that the table was exported in full."


class FeedBadValue(FeedError):
    code = "bad_value"
    zh, en = "值 {value!r} 无效，应为 {expected}", "{value!r} is not valid, expected {expected}"
    mend_zh, mend_en = "请改正该值。", "Correct the value."


class FeedUnknownReference(FeedError):
    code = "unknown_reference"
    zh, en = "{value!r} 在 {target} 中不存在", "{value!r} is not in {target}"
    mend_zh, mend_en = "请在 {target} 中补上它，或删去此行。", "Add it to {target}, or remove this row."


class FeedDuplicate(FeedError):
    code = "duplicate"
    zh, en = "{value!r} 重复出现", "{value!r} occurs twice"
    mend_zh, mend_en = "请保留其中一行。", "Keep one of the rows."


class FeedBadRow(FeedError):
    code = "bad_row"
    zh, en = "不是有效的 CSV（{reason}）", "not valid CSV ({reason})"
    mend_zh, mend_en = "请检查此行附近的引号。", "Check the quotation marks near this line."


class FeedEncoding(FeedError):
    code = "encoding"
    zh, en = "不是 UTF-8，已按 {encoding} 读取", "not UTF-8, read as {encoding}"
    mend_zh, mend_en = "请以 UTF-8 重新保存。", "Save it again as UTF-8."


class FeedNested(FeedError):
    code = "nested_folder"
    zh, en = "文件位于子文件夹 {folder} 中", "the tables are in a sub-folder, {folder}"
    mend_zh, mend_en = (
        "规范要求放在最上层；已照常读取。",
        "GTFS wants them at the top level; they were read all the same.",
    )


class FeedBackwards(FeedError):
    code = "time_backwards"
    zh, en = "班次 {trip!r} 的时间倒退", "times of trip {trip!r} run backwards"
    mend_zh, mend_en = (
        "请改正时间或 stop_sequence；该班次已略去。",
        "Correct the times or stop_sequence; the trip was left out.",
    )


class FeedShortTrip(FeedError):
    code = "short_trip"
    zh, en = "班次 {trip!r} 少于两站", "trip {trip!r} has fewer than two stops"
    mend_zh, mend_en = "请补全停站；该班次已略去。", "Complete its stops; the trip was left out."


class FeedNoTimes(FeedError):
    code = "no_end_times"
    zh, en = "班次 {trip!r} 的首站或末站没有时间", "trip {trip!r} has no time at its first or last stop"
    mend_zh, mend_en = "请填写；该班次已略去。", "Fill them in; the trip was left out."


class FeedExpired(FeedError):
    code = "expired"
    zh, en = "时刻表已于 {date} 到期", "the timetable ended on {date}"
    mend_zh, mend_en = "请换用新的文件。", "Install a newer one."


class FeedNotYetValid(FeedError):
    code = "not_yet_valid"
    zh, en = "时刻表从 {date} 起才生效", "the timetable begins only on {date}"
    mend_zh, mend_en = "请换用当前的文件。", "Install the current one."


class FeedNeverRuns(FeedError):
    code = "never_runs"
    zh, en = "服务 {value!r} 没有任何运营日", "service {value!r} runs on no day"
    mend_zh, mend_en = "请检查起止日期与星期。", "Check its dates and weekdays."


class FeedAdvice(FeedError):
    """A remark about quality that stops nothing; `zh`, `en` are passed as details."""

    code = "advice"
    zh, en = "{about_zh}", "{about_en}"
    mend_zh, mend_en = "{do_zh}", "{do_en}"


@dataclass(frozen=True)
class Notice:
    """One finding about a feed. `severity` is "error" or "warning"."""

    severity: str
    error: FeedError

    @property
    def code(self) -> str:
        return self.error.code

    def text(self, language: str = "en") -> str:
        """Return one line for a terminal or log."""
        label = {"zh": {"error": "错误", "warning": "警告"}}.get(language, {}).get(
            self.severity, self.severity
        )
        return f"[{label}] {self.error.text(language)}"


class Report:
    """Collects notices while a feed is read.

    Args:
        strict: raise the first error instead of noting it and leaving the row out.
        cap: notices kept per code and file; the rest are counted in `left_out`.
    """

    def __init__(self, strict: bool = False, cap: int = 20) -> None:
        self.strict, self.cap = strict, cap
        self.notices: list[Notice] = []
        self.left_out: dict[tuple[str, str], int] = {}
        self.bad_rows: dict[str, int] = {}
        self._seen: dict[tuple[str, str], int] = {}

    def error(self, error: FeedError) -> None:
        """Note an error, or raise it when strict."""
        if self.strict:
            raise error
        self.bad_rows[error.file] = self.bad_rows.get(error.file, 0) + 1
        self._add(Notice("error", error))

    def warning(self, error: FeedError) -> None:
        """Note a warning."""
        self._add(Notice("warning", error))

    def first_error(self, file: str) -> FeedError | None:
        """Return the first error noted about `file`."""
        return next((n.error for n in self.notices if n.severity == "error" and n.error.file == file), None)

    def _add(self, notice: Notice) -> None:
        key = (notice.error.file, notice.code)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] <= self.cap:
            self.notices.append(notice)
        else:
            self.left_out[key] = self.left_out.get(key, 0) + 1
