"""Starting: a second start trains nothing, a restart loses nothing, and what is wrong is said clearly."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.servers import ROOT, free_port, settings_for, start_server, stop_server

pytestmark = pytest.mark.e2e


def chengda(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chengda", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def post(url: str, data: object, token: str | None = None) -> dict:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, json.dumps(data).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def test_a_second_start_is_quick_and_the_conversation_goes_on(tmp_path: Path, server_url: str) -> None:
    file = settings_for(tmp_path, knowledge=False)
    # A few of the articles are enough to see that the first start indexes them, and the second finds them indexed.
    shutil.copytree(ROOT / "knowledge" / "articles" / "library", tmp_path / "articles")
    shipped = f"articles: {ROOT}/knowledge/articles"
    assert file.read_text("utf-8").count(shipped) == 1
    file.write_text(file.read_text("utf-8").replace(shipped, f"articles: {tmp_path}/articles"), "utf-8")
    first = start_server(tmp_path)
    made = post(f"{first.url}/api/v1/conversations", {})
    path = f"/api/v1/conversations/{made['conversation_id']}/messages"
    post(first.url + path, {"text": "图书馆周日几点开门?"}, made["token"])
    assert stop_server(first) == 0

    started = time.monotonic()
    second = start_server(tmp_path)
    assert time.monotonic() - started < 60
    answer = post(second.url + path, {"text": "那残疾人有优惠吗?"}, made["token"])
    assert answer["replies"][0]["citations"][0]["article_id"].startswith("library-")
    assert stop_server(second) == 0
    log = second.log.read_text("utf-8")
    assert log.count("训练语言理解模型") == 0
    assert log.count("indexing the articles") == 1
    assert "Traceback" not in log


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = chengda("run", "--port", str(port), CHENGDA_CITY=str(settings_for(tmp_path)))
    assert result.returncode != 0
    assert str(port) in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_key_in_the_settings_is_named(tmp_path: Path) -> None:
    file = settings_for(tmp_path)
    file.write_text(file.read_text("utf-8").replace("time_zone:", "timezone:"), "utf-8")
    result = chengda("run", CHENGDA_CITY=str(file))
    assert result.returncode != 0
    assert "unknown key `city.timezone`; did you mean `time_zone`?" in result.stderr.replace("\n", " ")


def test_a_broken_timetable_is_named(tmp_path: Path, server_url: str) -> None:
    file = settings_for(tmp_path)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 not a feed")
    text = file.read_text("utf-8").replace(str(ROOT / "actions/transit/demo/gtfs.zip"), str(broken))
    file.write_text(text, "utf-8")
    result = chengda("run", "--port", str(free_port()), CHENGDA_CITY=str(file))
    assert result.returncode != 0
    assert "broken.zip" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_broken_article_is_reported_and_the_rest_is_served(tmp_path: Path, server_url: str) -> None:
    file = settings_for(tmp_path, knowledge=False)
    articles = tmp_path / "articles"
    articles.mkdir()
    good = ROOT / "knowledge/articles/library/library-opening-hours.md"
    (articles / "good.md").write_bytes(good.read_bytes())
    (articles / "bad.md").write_text("---\nid: [unclosed\n---\n", "utf-8")
    file.write_text(file.read_text("utf-8").replace(str(ROOT / "knowledge/articles"), str(articles)), "utf-8")
    server = start_server(tmp_path)
    try:
        made = post(f"{server.url}/api/v1/conversations", {})
        path = f"/api/v1/conversations/{made['conversation_id']}/messages"
        answer = post(server.url + path, {"text": "图书馆周日几点开门?"}, made["token"])
        assert answer["replies"][0]["citations"][0]["article_id"] == "library-opening-hours"
        assert "bad.md" in server.log.read_text("utf-8")
    finally:
        stop_server(server)


def test_no_python_310_says_what_to_install(tmp_path: Path) -> None:
    """The bootstrap on a machine with no usable interpreter."""
    script = (ROOT / "deploy" / "bootstrap.sh").read_text("utf-8")
    (tmp_path / "deploy").mkdir()
    copy = tmp_path / "deploy" / "bootstrap.sh"
    copy.write_text(script, "utf-8")
    copy.chmod(0o755)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("", "utf-8")
    broken = tmp_path / "bin"
    broken.mkdir()
    shim = broken / "python3.10"
    shim.write_text("#!/bin/sh\nexit 127\n", "utf-8")
    shim.chmod(0o755)
    for tool in ("cat", "cksum", "tr", "dirname", "ls", "bash", "env", "rm", "grep"):
        real = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (broken / tool).symlink_to(real)
    result = subprocess.run(
        [str(broken / "bash"), str(copy)],
        env={"PATH": str(broken), "HOME": str(tmp_path), "CHENGDA_PYTHON_SEARCH": str(broken)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert "No Python 3.10 was found" in result.stderr
    assert "没有找到可用的 Python 3.10" in result.stderr
