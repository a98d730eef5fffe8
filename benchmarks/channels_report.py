"""What a run of the channels benchmark found, and the page that tells it."""

from __future__ import annotations

import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

# These platforms know a repeated send again, tell us what they took, or can be asked.
EXACT = ("line", "feishu", "wecom", "whatsapp", "slack")
# Telegram offers nothing of the kind: a message comes twice when a kill falls between its acceptance and our
# record of it, and then says so.
CHANNELS = (*EXACT, "telegram")
# After a restart everything that found the gateway dead is delivered at once.
SETTLE_S = 10.0


@dataclass
class Outcome:
    """What was measured."""

    messages: int
    kills: int
    seconds: float
    lost: Counter[str]
    doubled: Counter[str]
    shown: int
    disordered: int
    repeated_deliveries: int
    acknowledged: list[tuple[float, float]] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)

    def times_ms(self, settled: bool) -> list[float]:
        """Return the sorted acknowledgement times; `settled` leaves out what met a restart's backlog."""
        return sorted(
            ms
            for at, ms in self.acknowledged
            if not settled or not any(0 <= at - moment < SETTLE_S for moment in self.restarts)
        )


def percentile(ordered: list[float], share: float) -> float:
    """Return a percentile of sorted values."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


HOW = {
    "line": "retry key",
    "feishu": "uuid",
    "wecom": "duplicate check",
    "whatsapp": "its own report of what it took",
    "slack": "the history is read",
    "telegram": "nothing",
}


def _figures(times: list[float]) -> str:
    shown = [f"{percentile(times, share):.1f}" for share in (0.5, 0.95, 0.99)]
    return " | ".join([*shown, str(len(times))])


def report(outcome: Outcome, command: str) -> str:
    """Return the results as Markdown."""
    calm, every = outcome.times_ms(settled=True) or [0.0], outcome.times_ms(settled=False)
    rows = "\n".join(
        f"| {name} | {outcome.messages // len(CHANNELS)} | {outcome.lost[name]} | {outcome.doubled[name]} | "
        f"{HOW[name]} |"
        for name in CHANNELS
    )
    return f"""# Channels: kill -9 while messages come in

`{command}`

{date.today()}, {platform.machine()}, {os.cpu_count()} cores shared with other work (load {os.getloadavg()[1]:.1f}), Python
{platform.python_version()}; the citizens, the platforms and the gateway are all on them.

{outcome.messages} signed messages over {len(CHANNELS)} channels, {outcome.kills} × SIGKILL at random moments, SQLite queues, the
real HTTP client against a server that behaves like the platforms. {outcome.repeated_deliveries} deliveries found the
gateway dead and were repeated by the platform.

| channel | messages | lost | doubled | what settles a send whose end nobody saw |
|---|---|---|---|---|
{rows}

Conversations out of order: {outcome.disordered}. Answers marked “sent again”: {outcome.shown}. Total time {outcome.seconds:.0f} s.

| acknowledgement, ms | median | p95 | p99 | deliveries |
|---|---|---|---|---|
| more than {SETTLE_S:g} s after a restart | {_figures(calm)} |
| all | {_figures(every)} |

A message can be doubled in one place only: the platform took it, and the kill fell before our record of that. See
[docs/channels.md](../docs/channels.md) for what each platform offers against it. Telegram offers nothing; an answer that
may be there already is sent again and says so, because a lost one is worse.
"""
