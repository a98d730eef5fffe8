"""Bulk import in the console: the job, its page, its report, stopping it, and files that are refused."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from city.jobs import JobContext, Jobs
from console.knowledge import import_job
from console.services import Services
from knowledge.article import ArticleNotFound
from knowledge.importing import ImportReport
from knowledge.service import KnowledgeService
from tests.console.conftest import Console
from tests.knowledge.conftest import HashingEncoder, make_settings, small_base, write_background, write_folder

CITY = """
city: {{id: testcity, name: {{zh: 测试市, en: Test City}}, time_zone: Asia/Shanghai}}
emergency: [{{number: "110", zh: 报警, en: Police}}]
contact: {{number: "12345", zh: 热线, en: Hotline}}
data_dir: {root}/var
knowledge: {{articles: {root}/articles}}
"""
SLEDGE = "id,title_en,answer_en,status\nsledge,Sledging,On the hill.,published\n"
STRANGE = "broken id,x,y,draft\n,,,\n=cmd|'/c calc'!A0,<script>alert(1)</script>,y,draft\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small base with its index, made once and copied for each test."""
    root = tmp_path_factory.mktemp("base")
    write_folder(root / "articles", small_base())
    write_background(root / "calibration")
    KnowledgeService.open(make_settings(root), encoder=HashingEncoder(), follow=False).close()
    return root


@pytest.fixture
def knowledge(tmp_path: Path, prepared: Path) -> Iterator[KnowledgeService]:
    """The small base, opened without a thread of its own."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    (tmp_path / "city.yml").write_text(CITY.format(root=tmp_path), "utf-8")
    service = KnowledgeService.open(make_settings(tmp_path), encoder=HashingEncoder(), follow=False)
    yield service
    service.close()


@pytest.fixture
def services(knowledge: KnowledgeService, tmp_path: Path) -> Services:
    """The console over the small base."""
    return Services(settings=knowledge.settings, knowledge=knowledge, files=tmp_path / "var" / "files")


async def upload(console: Console, name: str, content: bytes, **fields: str) -> Any:
    data = FormData(quote_fields=False)
    data.add_field("file", content, filename=name)
    for key, value in fields.items():
        data.add_field(key, value)
    return await console.post("/knowledge/import", data)


async def until_over(console: Console, address: str) -> str:
    """Return the job's page once nothing more will happen; the page asks for its part as htmx does."""
    for _ in range(600):
        page = await console.page(address, headers={"HX-Request": "true"})
        if "hx-get" not in page:
            return page
        await asyncio.sleep(0.05)
    raise AssertionError("the import did not end")


def job_of(response: Any) -> str:
    assert response.status == 303
    return str(response.headers["Location"])


def imported(knowledge: KnowledgeService, name: str, content: bytes, tmp_path: Path, draft: bool) -> Any:
    """Do the job's work in this process and return its result."""
    kind = name.rpartition(".")[2]
    (tmp_path / "job").mkdir()
    path = tmp_path / f"import-1.{kind}"
    path.write_bytes(content)
    city = str(tmp_path / "city.yml")
    context = JobContext(tmp_path / "job")
    result = import_job.run(city=city, path=str(path), name=name, draft=draft, author="wang", context=context)
    assert not path.exists()
    knowledge.index.catch_up()
    return result


async def test_a_job_imports_a_table_shows_its_progress_and_reports(
    console: Console, knowledge: KnowledgeService, tmp_path: Path
) -> None:
    await console.sign_in("editor")
    address = job_of(await upload(console, "a.csv", (SLEDGE + STRANGE).encode()))
    first = await console.page(address)
    assert "<progress" in first
    assert "a.csv" in first
    page = await until_over(console, address)
    for told in ("Done", "Added: 1", 'href="/knowledge/a/sledge"', "Not taken, and why: 2", "a.csv, row 3"):
        assert told in page
    assert "<script>alert" not in page
    assert str(tmp_path) not in page
    # An editor publishes nothing, whatever the file says.
    assert knowledge.get("sledge").status == "draft"
    assert knowledge.get("sledge").updated_by == "editor"
    assert "a.csv" in await console.page("/knowledge/import")
    table = await console.page(address + "/report.csv")
    rows = list(csv.reader(io.StringIO(table.removeprefix("\ufeff"))))
    assert ["Added", "sledge"] in rows
    assert rows[1][0] == "Not taken, and why"
    assert not any(cell.startswith("=") for row in rows for cell in row)
    assert not list((tmp_path / "var" / "uploads").iterdir())
    for _ in range(100):
        entries = console.audit.entries(action="knowledge.imported")
        if entries:
            break
        await asyncio.sleep(0.05)
    assert (entries[0].after["added"], entries[0].after["problems"]) == (1, 2)
    assert knowledge.index.snapshot.find("permit-fee") is not None


async def test_an_import_is_stopped_without_harm(
    console: Console, knowledge: KnowledgeService, tmp_path: Path
) -> None:
    place = tmp_path / "var" / "jobs" / "imports" / "place-0.lock"
    place.parent.mkdir(parents=True)
    with place.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        await console.sign_in("editor")
        address = job_of(await upload(console, "a.csv", SLEDGE.encode()))
        await console.sign_in("editor", "somebody-else")
        assert (await console.post(address + "/cancel")).status == 403
        await console.sign_in("publisher")
        page = await console.submit(address + "/cancel")
    assert "Stopped" in page
    assert "Stopping harms nothing" in page
    assert not list((tmp_path / "var" / "uploads").iterdir())
    with pytest.raises(ArticleNotFound):
        knowledge.get("sledge")
    assert (await console.get(address + "/report.csv")).status == 404
    assert console.audit.entries(action="knowledge.import_stopped")[0].user == "publisher"


class Ends(JobContext):
    """A job's context in which the job is stopped after two articles."""

    def progress(self, share: float, message: str = "") -> None:
        if message.startswith("2 /"):
            raise SystemExit(143)


def test_a_stopped_import_goes_on_where_it_was(knowledge: KnowledgeService, tmp_path: Path) -> None:
    table = "id,title_en,answer_en,status\n" + "".join(
        f"walk-{n},Walk {n},Along {n}.,draft\n" for n in range(4)
    )
    path = tmp_path / "import-1.csv"

    def run(context: JobContext) -> Any:
        path.write_text(table, "utf-8")
        city = str(tmp_path / "city.yml")
        return import_job.run(
            city=city, path=str(path), name="w.csv", draft=True, author="wang", context=context
        )

    (tmp_path / "job").mkdir()
    with pytest.raises(SystemExit):
        run(Ends(tmp_path / "job"))
    assert knowledge.get("walk-1").answer == {"en": "Along 1."}
    assert not path.exists()
    result = run(JobContext(tmp_path / "job"))
    assert (result["counts"]["unchanged"], result["counts"]["added"]) == (2, 2)


def test_publishers_may_publish_by_import(knowledge: KnowledgeService, tmp_path: Path) -> None:
    result = imported(knowledge, "a.csv", SLEDGE.encode(), tmp_path, draft=False)
    assert result["added"] == ["sledge"]
    assert "sledge" in knowledge.store.published()


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_a_markdown_archive_is_taken_without_touching_any_path(
    knowledge: KnowledgeService, tmp_path: Path
) -> None:
    text = "---\nid: sledge\ntitle: {en: Sledging}\nanswer: {en: On the hill.}\n---\n"
    content = zipped({"../../../escape.md": text.encode(), "bad.md": b"\xff\xfe", "note.txt": b"x"})
    result = imported(knowledge, "all.zip", content, tmp_path, draft=False)
    assert result["added"] == ["sledge"]
    assert "is not UTF-8" in result["problems"][0]
    assert not list(tmp_path.rglob("escape.md"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.pdf", b"%PDF-broken"),
        ("x.docx", b"PK"),
        ("x.csv", b"\x00\xff\xfe"),
        ("x.jsonl", b"[1]"),
    ],
)
def test_a_broken_file_is_told_without_our_paths(
    knowledge: KnowledgeService, tmp_path: Path, name: str, content: bytes
) -> None:
    before = knowledge.store.change_seq()
    result = imported(knowledge, name, content, tmp_path, draft=True)
    told = result.get("problem") or " ".join(result["problems"])
    assert told
    assert str(tmp_path) not in told
    assert "import-1" not in told
    assert knowledge.store.change_seq() == before


async def test_a_table_without_rows_says_so(
    console: Console, knowledge: KnowledgeService, tmp_path: Path
) -> None:
    result = imported(knowledge, "x.csv", "编号,标题\n".encode("gb18030"), tmp_path, draft=True)
    assert set(result["counts"].values()) == {0}
    jobs = Jobs(tmp_path / "var" / "jobs" / "imports")
    made = jobs.start(import_job.KIND, import_job.TARGET, {"name": "x.csv", "draft": True}, "editor")
    jobs.cancel(made.id)
    folder = jobs.folder / made.id
    record = json.loads((folder / "record.json").read_text("utf-8"))
    (folder / "record.json").write_text(json.dumps({**record, "state": "succeeded"}), "utf-8")
    (folder / "result.json").write_text(json.dumps(result), "utf-8")
    await console.sign_in("editor")
    assert "nothing to import" in await console.page(f"/knowledge/import/{made.id}")


def test_a_long_report_is_cut_and_counted() -> None:
    report = ImportReport(added=[f"a{n}" for n in range(import_job.MOST_LINES + 5)])
    result = import_job.as_result(report)
    assert result["counts"]["added"] == import_job.MOST_LINES + 5
    assert len(result["added"]) == import_job.MOST_LINES


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.xlsx", "bomb.docx"])
async def test_archives_that_unpack_to_too_much_are_refused(console: Console, name: str) -> None:
    await console.sign_in("publisher")
    content = zipped({"xl/workbook.xml": b"\0" * 70_000_000})
    response = await upload(console, name, content)
    assert response.status == 422
    assert "unpacks to too much" in await response.text()


@pytest.mark.parametrize(
    ("name", "content"), [("x.exe", b"MZ"), ("x.zip", b"nozip"), ("x.xlsx", b"PK"), ("x", b"")]
)
async def test_other_files_are_refused_by_name(console: Console, name: str, content: bytes) -> None:
    await console.sign_in("publisher")
    response = await upload(console, name, content)
    assert response.status == 422
    assert "cannot be imported" in await response.text()


async def test_a_paste_of_fifty_megabytes_is_refused_clearly(console: Console) -> None:
    await console.sign_in("editor")
    response = await upload(console, "big.csv", b"x" * 50_000_000)
    assert response.status == 413
    assert "More than 12 MB" in await response.text()


async def test_nobody_reaches_an_import_below_the_role_or_by_a_made_up_address(console: Console) -> None:
    await console.sign_in("viewer")
    for path in ("/knowledge/import", "/knowledge/import/20260101-000000-abcdef"):
        assert (await console.get(path)).status == 403
    assert (await console.post("/knowledge/import/20260101-000000-abcdef/cancel")).status == 403
    await console.sign_in("editor")
    for name in ("20260101-000000-abcdef", "..%2F..%2Fetc", "x"):
        assert (await console.get(f"/knowledge/import/{name}")).status == 404
