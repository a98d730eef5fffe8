"""The gateway as a process, killed while messages come in: nothing lost, order kept."""

from __future__ import annotations

from pathlib import Path

from benchmarks.channels import CHANNELS, EXACT, Run


async def test_a_kill_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    outcome = await Run(
        messages=60, rate=60.0, kills=1, senders=3, folder=tmp_path, seed=7, told_wait_s=5.0
    ).run()
    assert {name: outcome.lost[name] for name in CHANNELS} == dict.fromkeys(CHANNELS, 0)
    assert {name: outcome.doubled[name] for name in EXACT} == dict.fromkeys(EXACT, 0)
    assert outcome.disordered == 0
