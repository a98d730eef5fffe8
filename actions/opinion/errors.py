"""Named errors of the opinion module; every message says what is wrong and the mend, in Chinese and English."""

from __future__ import annotations

from actions.errors import BilingualError, NotConfiguredError


class OpinionError(BilingualError):
    """Base of every error of this module."""


class OpinionNotConfigured(OpinionError, NotConfiguredError):
    """No service was configured for this process."""

    def __init__(self) -> None:
        super().__init__(
            "舆情模块尚未配置：请在 city.yml 中加入 opinion 一节。",
            "the opinion module has no service yet; add an `opinion:` section to city.yml",
        )


class SourceError(OpinionError):
    """A source cannot be read; the message names it and the mend."""


class PostError(OpinionError):
    """One post is unusable; it is counted and set aside, the others go on. `reason` is a stable code."""

    def __init__(self, reason: str, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.reason = reason


class WriterBusyError(OpinionError):
    """Another process reads posts into the same data directory."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"另一个进程正在读入舆情（锁文件 {path}）；请等它结束或先停止它。",
            f"another process reads posts in already (lock {path}); wait for it or stop it",
        )


class UnknownAlarmError(OpinionError):
    """There is no alarm or topic with this number."""

    def __init__(self, kind: str, number: int) -> None:
        zh = {"alarm": "预警", "topic": "话题"}.get(kind, kind)
        super().__init__(
            f"没有编号为 {number} 的{zh}；用 `chengda opinion alarms` 或 `report` 查看编号。",
            f"there is no {kind} {number}; see the numbers with `chengda opinion alarms` or `report`",
        )


class TargetError(OpinionError):
    """A notification target of city.yml cannot be used."""
