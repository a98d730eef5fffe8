"""Utterances, suggestions, models behind the gate, and jobs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from channels.traces import TraceStore
from console.nlu.library import Library
from tests.console.insight.conftest import EVIL, record


@pytest.fixture
def add_version(library: Library, tiny_model: Path) -> Callable[..., str]:
    """Put the tiny model into the registry under further versions."""

    def add(promote: bool = False) -> str:
        version = library.registry.add(tiny_model, {})
        if promote:
            library.registry.promote(version)
        return version

    return add


def gate(library: Library, version: str, base: str, passed: bool) -> None:
    library.registry.write_gate(
        version,
        {
            "candidate": version,
            "base": base,
            "date": "2026-03-01T00:00:00+00:00",
            "examples": 24,
            "old_accuracy": 0.9,
            "new_accuracy": 0.95 if passed else 0.5,
            "passed": passed,
            "reasons": [] if passed else ["waste falls from 8 to 2 of 8 right"],
            "intents": {"waste": [7, 8, 8], "departures": [8, 8, 8]},
            "new_intents": [],
            "gone_intents": [],
            "changes": [
                {"text": EVIL, "intent": "waste", "old": "departures", "new": "waste", "confidence": 0.9}
            ],
        },
    )


async def test_intents_are_listed_and_examples_added_and_removed(console: Any, library: Library) -> None:
    await console.sign_in("editor")
    page = await console.page("/nlu")
    assert "departures" in page and "waste" in page and "fewer than 40" in page
    page = await console.submit("/nlu/intents/waste/add", {"texts": "旧电脑扔哪里\n电池扔哪个桶\n\n"})
    assert "1 added, 1 were there already" in page
    assert [e.after["examples"] for e in console.audit.entries(action="nlu.add")] == [["旧电脑扔哪里"]]
    page = await console.submit("/nlu/intents/waste/remove", {"line": "旧电脑扔哪里"})
    assert "旧电脑扔哪里" not in page
    assert "Nothing was changed" in await console.submit("/nlu/intents/waste/add", {"texts": "13812345678"})
    await console.page("/nlu/intents/nothing", status=404)


async def test_an_example_is_only_ever_text(console: Any, library: Library) -> None:
    library.examples.add("waste", [EVIL])
    await console.sign_in("editor")
    assert "<script>alert" not in await console.page("/nlu/intents/waste")


async def test_suggestions_come_from_traffic_and_go_when_labelled(
    console: Any, traces: TraceStore, library: Library
) -> None:
    traces.write(
        [record(text="旧电脑扔哪"), record("c2", text="灯泡属于什么垃圾"), record("c3", text="电池扔哪个桶")]
    )
    await console.sign_in("editor")
    page = ""
    for _ in range(50):
        page = await console.page("/nlu/suggestions")
        if "being made" not in page:
            break
    assert "旧电脑扔哪" in page and "灯泡" in page and "电池扔哪个桶" not in page
    page = await console.submit("/nlu/suggestions/label", {"text": "旧电脑扔哪", "intent": "waste"})
    assert "Added to waste" in page and "旧电脑扔哪" not in page
    page = await console.submit("/nlu/suggestions/aside", {"text": "灯泡属于什么垃圾"})
    assert "灯泡" not in page
    assert "Nothing was changed" in await console.submit(
        "/nlu/suggestions/label", {"text": "x", "intent": "none"}
    )


async def test_only_what_passed_the_gate_is_promoted(
    console: Any, library: Library, add_version: Any
) -> None:
    first, second = add_version(promote=True), add_version()
    await console.sign_in("publisher")
    path = f"/nlu/models/{second}"
    page = await console.page(path)
    assert "not compared yet" in page and "Promote this version" not in page
    assert "Compare it with the version in use" in await console.submit(f"{path}/promote")
    gate(library, second, first, passed=False)
    page = await console.submit(f"{path}/promote", {"reason": "I want it"})
    assert (
        "only an administrator" in page and "waste falls from 8 to 2" in page and "<script>alert" not in page
    )
    assert library.registry.current().name == first
    gate(library, second, "some-older-model", passed=True)
    await console.submit(f"{path}/promote")
    assert library.registry.current().name == first
    gate(library, second, first, passed=True)
    assert f"{second} is in use" in await console.submit(f"{path}/promote")
    assert library.registry.current().name == second
    (entry,) = console.audit.entries(action="nlu.promote")
    assert (entry.before["version"], entry.after["version"], entry.after["gate"]) == (first, second, "passed")
    assert f"Rolled back to {first}" in await console.submit("/nlu/rollback")
    assert library.registry.current().name == first


async def test_an_administrator_may_overrule_the_gate_with_a_reason(
    console: Any, library: Library, add_version: Any
) -> None:
    first, second = add_version(promote=True), add_version()
    gate(library, second, first, passed=False)
    await console.sign_in("admin")
    await console.submit(f"/nlu/models/{second}/promote", {"reason": "  "})
    assert library.registry.current().name == first
    await console.submit(f"/nlu/models/{second}/promote", {"reason": "the test set is old"})
    assert library.registry.current().name == second
    (entry,) = console.audit.entries(action="nlu.promote")
    assert entry.after["reason"] == "the test set is old"


async def test_nothing_to_roll_back_to_is_said(console: Any, add_version: Any) -> None:
    add_version(promote=True)
    await console.sign_in("publisher")
    await console.page("/nlu/models")
    assert "no earlier model" in await console.submit("/nlu/rollback")


async def test_a_job_is_started_followed_and_shown(
    console: Any, library: Library, add_version: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = add_version(promote=True)
    real = library.jobs.start
    monkeypatch.setattr(
        library.jobs,
        "start",
        lambda kind, target, arguments, owner: real(
            kind, "tests.console.insight.job_stand_in:compare", arguments, owner
        ),
    )
    await console.sign_in("publisher")
    await console.page("/nlu/models")
    response = await console.post(f"/nlu/models/{version}/compare")
    path = response.headers["Location"]
    job = path.rsplit("/", 1)[1]
    library.jobs.wait(job, 30)
    page = await console.page(path)
    assert "Done" in page and "comparing" in page and "Passed" in page, page
    assert "<html" not in await console.page(path, headers={"HX-Request": "true"})
    assert job in await console.page("/nlu/models")
    (entry,) = console.audit.entries(action="nlu.compare")
    assert (entry.target, entry.after["job"]) == (version, job)
    await console.page(f"{path}/report", status=404)


async def test_continuing_with_nothing_added_is_said(console: Any, library: Library) -> None:
    await console.sign_in("publisher")
    await console.page("/nlu/models")
    assert "nothing to go on with" in await console.submit("/nlu/train", {"mode": "continue"})
    assert library.jobs.list() == []


async def test_jobs_of_others_are_not_shown(console: Any, library: Library) -> None:
    folder = library.jobs.folder / "20260301-120000-abcdef"
    folder.mkdir()
    job = {
        "id": folder.name,
        "kind": "traffic.verify",
        "target": "a:b",
        "arguments": {},
        "state": "succeeded",
    }
    (folder / "record.json").write_text(json.dumps(job), "utf-8")
    await console.sign_in("admin")
    await console.page(f"/nlu/jobs/{folder.name}", status=404)
    await console.page("/nlu/jobs/..%2F..", status=404)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/nlu/train", "editor"),
        ("/nlu/rollback", "editor"),
        ("/nlu/models/{v}/promote", "editor"),
        ("/nlu/models/{v}/compare", "editor"),
        ("/nlu/models/{v}/evaluate", "editor"),
        ("/nlu/intents/waste/add", "viewer"),
        ("/nlu/intents/waste/remove", "viewer"),
        ("/nlu/suggestions/label", "viewer"),
        ("/nlu/suggestions/aside", "viewer"),
    ],
)
async def test_a_role_does_not_reach_further_by_the_address(
    console: Any, library: Library, add_version: Any, path: str, role: str
) -> None:
    version = add_version(promote=True)
    await console.sign_in(role)
    await console.page("/nlu")
    path = path.format(v=version)
    form = {"texts": "x", "line": "x", "text": "x", "intent": "waste", "mode": "fresh", "reason": "x"}
    assert (await console.post(path, form)).status == 403
    await console.sign_in("admin")
    console.token = "a" * 64
    assert (await console.post(path, form)).status == 403
    assert library.jobs.list() == []
    assert not library.examples.added.exists()
