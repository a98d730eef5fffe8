"""The hotline on the real assistant: what is answered, how long the answer and the voice take.

    python -m benchmarks.hotline [--out benchmarks/hotline.md]

Starts the gateway with the trained models of the checkout's data directory, asks ten questions in each language in one
call each, as text through the REST form (recognition needs a model of your own), and speaks each answer's first part.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from channels.gateway import create_app
from channels.hotline.config import HotlineSection, SpeechSection
from channels.hotline.extension import HotlineExtension
from channels.hotline.speech import RATE_HZ, load_voice
from chengda.compose import gateway_config, make_brain, start_rooms
from city.settings import load_settings

NAMES = {code: {"city": "", "assistant": ""} for code in ("zh", "en")}
QUESTIONS = {
    "zh": [
        "图书馆周日几点开门", "身份证丢了怎么补办", "人民广场附近有哪些公交站", "养狗办证多少钱", "医保报销比例是多少",
        "公积金怎么提取", "人民路现在堵吗", "废电池扔哪里", "滨河区有停电吗", "离婚要带什么材料",
    ],
    "en": [
        "when does the library open on sunday", "how do i renew a residence permit", "which bus stops are near people's square",
        "how much is a dog licence", "what are the medical reimbursement rates", "how do i withdraw my housing fund",
        "is renmin road jammed", "where do i throw old batteries", "planned power cut in binhe district",
        "how do i get divorced",
    ],
}  # fmt: skip


async def measure() -> list[tuple[str, str, str, float, float, float]]:
    """Return (language, question, first part, answer ms, voice ms, seconds of audio) of every question."""
    settings = load_settings()
    brain = make_brain(settings)
    start_rooms(settings)
    brain.load()
    voice = load_voice(SpeechSection())
    token = "benchmark"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        section = HotlineSection(providers=["jambonz"], transfer_to="+860000")
        environment = {**os.environ, "JAMBONZ_WEBHOOK_SECRET": token, "HOTLINE_MEDIA_TOKEN": token}
        extension = HotlineExtension(section, f"sqlite:///{folder}/calls.db", NAMES, environment)
        config = replace(
            gateway_config(settings),
            database=f"sqlite:///{folder}/chat.db",
            extensions=[extension],
            channels=[],
        )
        async with TestClient(TestServer(create_app(brain, config))) as client:
            for language, questions in QUESTIONS.items():
                for number, question in enumerate(questions):
                    body = {"sender": f"{language}-{number}", "message": question}
                    started = time.perf_counter()
                    answer = await client.post(f"/hotline/jambonz/rasa?token={token}", json=body)
                    answer_ms = (time.perf_counter() - started) * 1000
                    first = (await answer.json())[0]["text"]
                    started = time.perf_counter()
                    audio = await asyncio.to_thread(voice.speak, first, language, 1.0)
                    voice_ms = (time.perf_counter() - started) * 1000
                    rows.append((language, question, first, answer_ms, voice_ms, len(audio) / 2 / RATE_HZ))
    brain.close()
    return rows


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = asyncio.run(measure())
    lines = [
        "# Hotline turns",
        "",
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores. `python -m benchmarks.hotline`.",
        "The time includes taking the call, and not recognition.",
        "",
        "| language | median answer ms | slowest | median voice ms | median seconds spoken |",
        "|---|---|---|---|---|",
    ]
    for language in QUESTIONS:
        own = [row for row in rows if row[0] == language]
        lines.append(
            f"| {language} | {statistics.median(r[3] for r in own):.0f} | {max(r[3] for r in own):.0f} | "
            f"{statistics.median(r[4] for r in own):.0f} | {statistics.median(r[5] for r in own):.1f} |"
        )
    lines += ["", "| question | said first |", "|---|---|", *(f"| {r[1]} | {r[2]} |" for r in rows)]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
