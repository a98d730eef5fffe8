"""What the parts of the retrieval benchmark share: where the report lies, and what it was measured on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "retrieval.md"


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())


def machine() -> str:
    """Return what this was measured on, with the load of other work at that moment."""
    load = os.getloadavg()[0]
    return f"{processor()}, {os.cpu_count()} cores, load of the machine at the start {load:.1f}"


def read_part(name: str) -> str:
    """Return one part of the report; "" when there is none."""
    old = OUT.read_text("utf-8") if OUT.exists() else ""
    found = re.search(f"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", old, re.DOTALL)
    return found[1] if found else ""


def write_part(name: str, text: str) -> None:
    """Replace one part of the report."""
    old = OUT.read_text("utf-8") if OUT.exists() else "# Retrieval\n\nMade by `benchmarks/retrieval.py`.\n"
    part = f"<!-- {name} -->\n{text.strip()}\n<!-- /{name} -->"
    pattern = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    new = pattern.sub(lambda _: part, old) if pattern.search(old) else f"{old.rstrip()}\n\n{part}\n"
    OUT.write_text(new, "utf-8")
    print(text)
