"""Starts and stops the real server as `make run` does."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
# Training on a fresh machine is part of the start; a warm start takes seconds.
START_LIMIT_S = 900


@dataclass
class Server:
    """A server process of its own with its own data directory."""

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    log: Path
    console_url: str = ""


def free_port(*taken: int) -> int:
    """Return a port that nobody listens on, none of `taken`, and outside the range of outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            return port


@lru_cache(maxsize=1)
def trained_models() -> Path:
    """Train in the checkout what is missing, as `make run` would, once for all tests; return the folder."""
    env = {**os.environ, "CHENGDA_CITY": str(ROOT / "city.yml")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    (ROOT / "var").mkdir(exist_ok=True)
    # Tests may run in several processes; only one of them trains.
    with FileLock(ROOT / "var" / "training-for-tests.lock"):
        subprocess.run([sys.executable, "-m", "chengda", "train", "all"], cwd=ROOT, env=env, check=True)
    return ROOT / "var" / "models"


def copy_knowledge(target: Path) -> None:
    """Copy the index of the shipped articles, which is built once for all tests, into a data directory."""
    data = ROOT / "var" / "for-tests"
    data.mkdir(parents=True, exist_ok=True)
    # Tests may run in several processes: none copies while another one has the files open.
    with FileLock(ROOT / "var" / "knowledge-for-tests.lock"):
        _build_knowledge(data)
        shutil.copytree(data / "knowledge", target)


@lru_cache(maxsize=1)
def _build_knowledge(data: Path) -> None:
    settings = write_settings(data / "city.yml", data)
    command = [sys.executable, "-m", "chengda", "knowledge", "list"]
    env = {**os.environ, "CHENGDA_CITY": str(settings)}
    subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)


def settings_for(folder: Path, *, knowledge: bool = True) -> Path:
    """Write the shipped settings with `folder/var` as data directory; models trained before are taken over.

    Args:
        folder: of the test.
        knowledge: whether the index of the shipped articles is taken over, too; else the first start builds it.
    """
    data = folder / "var"
    (data / "models").mkdir(parents=True)
    shared = trained_models()
    for kind in ("nlu", "dialogue", "sentiment", "routing"):
        shutil.copytree(shared / kind, data / "models" / kind, symlinks=True)
    if knowledge:
        copy_knowledge(data / "knowledge")
    return write_settings(folder / "city.yml", data)


def write_settings(file: Path, data: Path) -> Path:
    """Write the shipped settings with `data` as data directory into a file, and return it."""
    text = (ROOT / "city.yml").read_text("utf-8").replace("data_dir: var ", f"data_dir: {data} ")
    text = re.sub(r": ((?:knowledge|actions|nlp)/[\w./-]+)", rf": {ROOT}/\1", text)
    text = text.replace("demo: true  ", "demo: false ")
    file.write_text(text, "utf-8")
    return file


def start_server(folder: Path, port: int | None = None) -> Server:
    """Start `chengda run` and wait until it is ready.

    Raises:
        RuntimeError: when it ends or is not ready in time; the message holds its last output.
    """
    port = port or free_port()
    console_port = free_port(port)
    settings = folder / "city.yml"
    if not settings.exists():
        settings_for(folder)
    log = folder / "server.log"
    env = {**os.environ, "CHENGDA_CITY": str(settings), "PYTHONUNBUFFERED": "1"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "chengda",
                "run",
                "--port",
                str(port),
                "--console-port",
                str(console_port),
            ],
            cwd=ROOT,
            env=env,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return Server(url, folder / "var", process, log, f"http://127.0.0.1:{console_port}")
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"the server did not get ready:\n{log.read_text('utf-8', 'replace')[-4000:]}")


def stop_server(server: Server) -> int:
    """Stop as Ctrl-C does and return the exit status."""
    server.process.terminate()
    return server.process.wait(timeout=30)
