"""The index: incremental edits, other processes, crashes, damage, and readers while a writer edits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from knowledge.index import Index
from knowledge.service import KnowledgeService, Question
from knowledge.snapshot import Filter
from tests.knowledge.conftest import TODAY, HashingEncoder, article, make_settings, small_base, write_folder

Opener = Callable[..., KnowledgeService]
ROOT = Path(__file__).resolve().parents[2]


def found(service: KnowledgeService, text: str, language: str = "zh") -> list[str]:
    return [hit.facts.id for hit in service.search(text, language)]


def ranking(service: KnowledgeService) -> list[tuple[str, list[str]]]:
    texts = ["图书馆几点开门", "居留许可多少钱", "旧沙发", "dog licence", "renew my permit", "残疾人"]
    return [(text, found(service, text, "zh" if text > "z" else "en")[:4]) for text in texts]


def test_edit_is_found_at_once(service: KnowledgeService) -> None:
    new = article("chess-club", title={"zh": "象棋俱乐部"}, questions={}, answer={"zh": "每周三活动。"})
    started = time.perf_counter()
    service.publish(new, author="a", base_version=None)
    assert found(service, "象棋俱乐部")[0] == "chess-club"
    assert time.perf_counter() - started < 1
    service.set_status("chess-club", "archived", author="a")
    assert "chess-club" not in found(service, "象棋俱乐部")


def test_incremental_edits_give_the_same_ranking_as_a_rebuild(service: KnowledgeService) -> None:
    for number, name in enumerate(["library-hours", "dog-licence", "permit-fee", "dog-licence"]):
        item = service.get(name)
        phrasings = {**item.questions, "zh": [*item.questions.get("zh", ()), f"第{number}种问法"]}
        service.publish(replace(item, questions=phrasings), author="a", base_version=item.version)
    service.set_status("bulky-waste", "archived", author="a")
    service.publish(article("bulky-new", title={"zh": "旧家具回收站"}), author="a", base_version=None)
    before = ranking(service)
    ids = sorted(service.index.snapshot.ids)
    service.index.rebuild()
    assert sorted(service.index.snapshot.ids) == ids
    assert [(text, hits[0]) for text, hits in ranking(service)] == [(text, hits[0]) for text, hits in before]
    assert len(service.index.snapshot.manifest["segments"]) == 1


def test_edit_encodes_only_what_is_new(service: KnowledgeService, encoder: HashingEncoder) -> None:
    item = service.get("library-hours")
    encoder.calls = 0
    service.publish(
        replace(item, answer={**item.answer, "zh": "全新的答案。"}), author="a", base_version=item.version
    )
    assert encoder.calls == 1


def test_second_start_encodes_nothing(open_service: Opener, encoder: HashingEncoder) -> None:
    open_service().close()
    encoder.calls = 0
    again = open_service()
    assert encoder.calls == 0
    assert again.import_report.changed == 0
    assert again.ready()


def test_another_encoder_builds_the_index_anew(open_service: Opener) -> None:
    first = open_service()
    version = first.index.snapshot.manifest["encoder"]
    first.close()
    other = open_service(encoder=HashingEncoder(64, "other"))
    assert other.index.snapshot.manifest["encoder"] != version
    assert found(other, "图书馆几点开门")[0] == "library-hours"


def test_other_process_sees_an_edit_within_a_second(open_service: Opener) -> None:
    writer, reader = open_service(), open_service(follow=True)
    writer.publish(
        article("chess-club", title={"zh": "象棋俱乐部"}, questions={}, answer={"zh": "每周三活动。"}),
        author="a",
        base_version=None,
    )
    deadline = time.perf_counter() + 1
    while "chess-club" not in found(reader, "象棋俱乐部") and time.perf_counter() < deadline:
        time.sleep(0.02)
    assert found(reader, "象棋俱乐部")[0] == "chess-club"


def test_edit_in_the_database_alone_is_followed(open_service: Opener) -> None:
    service = open_service()
    service.store.publish(article("chess-club", title={"zh": "象棋俱乐部"}), author="a", base_version=None)
    assert "chess-club" not in service.index.snapshot.ids
    assert service.index.catch_up()
    assert found(service, "象棋俱乐部")[0] == "chess-club"
    assert not service.index.catch_up()


def test_damaged_newest_state_falls_back_on_the_one_before(service: KnowledgeService) -> None:
    service.publish(article("chess-club", title={"zh": "象棋俱乐部"}), author="a", base_version=None)
    folder = service.index.folder
    newest = json.loads((folder / "manifest.json").read_text())["segments"][-1]["file"]
    (folder / newest).write_bytes(b"damaged")
    reader = Index(folder, service.store, service.index.encoder, service.index.vectors)
    assert reader.refresh()
    assert "chess-club" not in reader.snapshot.ids
    assert len(reader.snapshot) == 8


@pytest.mark.parametrize("name", ["manifest.json", "segment", "vectors", "everything"])
def test_lost_or_damaged_files_are_built_again_from_the_store(open_service: Opener, name: str) -> None:
    service = open_service()
    folder = service.index.folder
    service.close()
    if name == "everything":
        shutil.rmtree(folder)
    elif name == "manifest.json":
        (folder / "manifest.json").write_text('{"half": ')
        (folder / "manifest.previous.json").unlink()
    else:
        for path in folder.glob("segment-*") if name == "segment" else (folder / "vectors").glob("*.faiss"):
            path.write_bytes(path.read_bytes()[:-9])
    again = open_service()
    assert found(again, "图书馆几点开门")[0] == "library-hours"


CRASHING = """
import os, sys
from pathlib import Path
from tests.knowledge.conftest import HashingEncoder, article, make_settings
from knowledge.service import KnowledgeService

def crash(root, after, what):
    service = KnowledgeService.open(make_settings(root), encoder=HashingEncoder(), follow=False)
    real, count = os.replace, 0

    def replace(source, target):
        nonlocal count
        count += 1
        if count == after and what == "before":
            os._exit(9)
        real(source, target)
        if count == after:
            os._exit(9)

    os.replace = replace
    item = service.get("library-hours")
    service.publish(article("chess-club", title={"zh": "象棋俱乐部"}, questions={}), author="a", base_version=None)
    service.reindex()
    os._exit(0)

# Each crash happens in a process of its own; what they import is loaded once.
for root in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            after = int(root.rsplit("copy", 1)[1])
            crash(Path(root), after, "before" if after % 2 else "behind")
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_crash_at_any_step_leaves_a_usable_index(tmp_path: Path, encoder: HashingEncoder) -> None:
    write_folder(tmp_path / "articles", small_base())
    KnowledgeService.open(make_settings(tmp_path), encoder=encoder, follow=False).close()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    copies = [tmp_path / f"copy{after}" for after in (1, 4, 5, 7)]
    for copy in copies:
        shutil.copytree(tmp_path / "var", copy / "var")
        shutil.copytree(tmp_path / "articles", copy / "articles")
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, *map(str, copies)],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["9"] * len(copies), done.stderr
    for copy in copies:
        reader = Index(copy / "var" / "knowledge" / "index", *_parts(copy, encoder))
        assert reader.refresh(), "the index cannot be read right after the crash"
        service = KnowledgeService.open(make_settings(copy), encoder=encoder, follow=False)
        assert found(service, "图书馆几点开门")[0] == "library-hours"
        if "chess-club" in service.store.published():
            assert found(service, "象棋俱乐部")[0] == "chess-club"
        leftovers = [path.name for path in service.index.folder.rglob("*.part")]
        service.publish(article("after-crash", title={"zh": "崩溃之后"}), author="a", base_version=None)
        assert found(service, "崩溃之后")[0] == "after-crash"
        assert leftovers == [] or not list((service.index.folder / "vectors").glob("*.part"))
        service.close()


def _parts(root: Path, encoder: HashingEncoder) -> Any:
    from knowledge.store import ArticleStore
    from knowledge.vectors import make_vector_store

    folder = root / "var" / "knowledge"
    store = ArticleStore(f"sqlite:///{folder / 'articles.db'}")
    return store, encoder, make_vector_store("faiss", folder / "index" / "vectors", encoder.dimension)


def test_no_torn_or_failed_read_while_a_writer_edits(open_service: Opener) -> None:
    """Every answer is a whole version of the article, and never one older than was seen before."""
    service = open_service()
    other = open_service(follow=True)
    item = service.get("library-hours")
    stop, problems, reads = threading.Event(), [], [0]
    question = Question("图书馆几点开门", "zh", TODAY, "ask_knowledge")

    def read(target: KnowledgeService) -> None:
        last = 0
        while not stop.is_set():
            try:
                text = target.answer(question).replies[0].text
                if not text.startswith("版本"):
                    if text != item.answer["zh"] or last:
                        problems.append(text)
                    continue
                number = int(text.split(" ")[1])
                if text != f"版本 {number} " + "内容" * number:
                    problems.append(text)
                if number < last:
                    problems.append(f"{number} after {last}")
                last = number
                reads[0] += 1
            except Exception as error:
                problems.append(repr(error))

    threads = [threading.Thread(target=read, args=(service if n % 2 else other,)) for n in range(6)]
    for thread in threads:
        thread.start()
    version = item.version
    for number in range(1, 8):
        answer = {"zh": f"版本 {number} " + "内容" * number, "en": "x"}
        version = service.publish(replace(item, answer=answer), author="a", base_version=version).version
    deadline = time.perf_counter() + 3
    while "版本 7" not in other.answer(question).replies[0].text and time.perf_counter() < deadline:
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert reads[0] > 0
    assert other.answer(question).replies[0].text.startswith("版本 7 ")


def test_two_writers_at_once_lose_nothing(open_service: Opener) -> None:
    first, second = open_service(), open_service()

    def write(service: KnowledgeService, name: str) -> None:
        for number in range(4):
            title = {"zh": f"{name}俱乐部第{number}分会"}
            service.publish(
                article(f"{name}-{number}", title=title, questions={}), author=name, base_version=None
            )

    threads = [threading.Thread(target=write, args=pair) for pair in ((first, "chess"), (second, "golf"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for service in (first, second):
        service.index.catch_up()
        assert len(service.index.snapshot) == 16


def test_many_edits_are_compacted(service: KnowledgeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.index.RECENT_ARTICLES", 3)
    monkeypatch.setattr("knowledge.index.GONE_ARTICLES", 2)
    for number in range(5):
        title = {"zh": f"新文章{number}"}
        service.publish(article(f"new-{number}", title=title, questions={}), author="a", base_version=None)
    assert len(service.index.snapshot.manifest["segments"]) >= 2
    for name in ("library-hours", "dog-licence", "permit-fee", "permit-renew"):
        service.publish(service.get(name), author="a", base_version=1)
    assert service.index.compact()
    assert len(service.index.snapshot.manifest["segments"]) == 1
    assert found(service, "新文章3")[0] == "new-3"


def test_old_files_are_removed(service: KnowledgeService) -> None:
    version: int | None = 1
    for _ in range(6):
        version = service.publish(service.get("library-hours"), author="a", base_version=version).version
    folder = service.index.folder
    assert len(list(folder.glob("segment-*.npz"))) <= 4
    assert len(list((folder / "vectors").glob("*.faiss"))) <= 6


def test_qdrant_as_vector_store(open_service: Opener) -> None:
    pytest.importorskip("qdrant_client")
    service = open_service(knowledge={"vector_store": "qdrant"})
    assert found(service, "图书馆几点开门")[0] == "library-hours"
    service.publish(
        article("chess-club", title={"zh": "象棋俱乐部"}, questions={}), author="a", base_version=None
    )
    assert found(service, "象棋俱乐部")[0] == "chess-club"
    service.index.vectors.close()  # type: ignore[attr-defined]


def test_filter_by_day_department_and_language(service: KnowledgeService) -> None:
    assert "expired-subsidy" not in [
        hit.facts.id for hit in service.search("空调补贴", "zh", condition=Filter(day=TODAY))
    ]
    assert found(service, "空调补贴")[0] == "expired-subsidy"
    only = service.search("广场舞", "zh", condition=Filter(language="en"))
    assert "only-chinese" not in [hit.facts.id for hit in only]
