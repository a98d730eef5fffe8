"""Documents become drafts, section by section, with a report."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.article import ArticleError
from knowledge.documents import import_document

PAGE = """<!doctype html><html><head><title>停车服务</title><style>p{}</style></head><body>
<nav><a href="/">首页 这是导航 不应该出现</a></nav>
<main><h1>居民停车</h1><p>本页说明居民停车证的办理方式，供市民参考，以窗口答复为准。</p>
<h2>办理材料</h2><ul><li>身份证和户口簿原件</li><li>机动车行驶证，须在有效期内，地址与申请一致</li></ul>
<h2>收费</h2><table><tr><th>车型</th><th>每月</th></tr><tr><td>小型车</td><td>120元</td></tr>
<tr><td>新能源车</td><td>60元（凭绿色号牌自动减半）</td></tr></table>
<h3>减免</h3><p>残疾人免费。</p><script>alert(1)</script></main></body></html>"""


def write_pdf(path: Path, pages: list[list[str]]) -> None:
    """Write a small PDF by hand: one text line after another in Helvetica."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for lines in pages:
        text = "BT /F1 12 Tf 50 780 Td 16 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
        objects.append(f"<< /Length {len(text)} >>\nstream\n{text}\nendstream".encode())
        content = len(objects)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R "
            "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>".encode()
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(bytes(out))


def test_web_page(tmp_path: Path) -> None:
    file = tmp_path / "parking.html"
    file.write_text(PAGE, "utf-8")
    report = import_document(file, category="driving", department="traffic_police")
    titles = [item.title["zh"] for item in report.articles]
    assert titles == ["居民停车", "居民停车 – 办理材料", "居民停车 – 收费"]
    assert report.articles[1].answer["zh"].splitlines() == [
        "- 身份证和户口簿原件",
        "- 机动车行驶证，须在有效期内，地址与申请一致",
    ]
    assert "- 小型车 | 120元" in report.articles[2].answer["zh"]
    assert all(item.status == "draft" and item.category == "driving" for item in report.articles)
    text = "\n".join(report.lines())
    assert "导航" not in "".join(item.answer["zh"] for item in report.articles)
    assert "no content" in text and "“减免”: only" in text


def test_word_document(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_heading("Water supply", 0)
    document.add_heading("Opening an account", 1)
    document.add_paragraph("Bring your ID card and the property certificate to the counter.")
    document.add_paragraph("Or apply online within 3 days", style="List Bullet")
    document.add_heading("Prices", 1)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        [c for row in table.rows for c in row.cells], ["Tier", "Yuan", "First tier", "2.80"], strict=True
    ):
        cell.text = text
    document.add_heading("Empty", 1)
    document.save(tmp_path / "water.docx")
    report = import_document(tmp_path / "water.docx")
    assert [item.title["en"] for item in report.articles] == ["Opening an account", "Prices"]
    assert "- Or apply online within 3 days" in report.articles[0].answer["en"]
    assert "- First tier | 2.80" in report.articles[1].answer["en"]
    assert any("Empty" in reason for reason in report.skipped)


def test_pdf(tmp_path: Path) -> None:
    file = tmp_path / "noise.pdf"
    pages = [
        [
            "Lanchuan City 2026",
            "1. Quiet hours",
            "Construction is not allowed between 22:00 and",
            "6:00 on working days.",
            "1",
        ],
        ["Lanchuan City 2026", "2. Complaints", "Call the hotline and name the address and the time.", "2"],
        ["Lanchuan City 2026", "Neighbours are asked to lower music after ten in the evening.", "3"],
        [],
    ]
    write_pdf(file, pages)
    report = import_document(file)
    assert [item.title["en"] for item in report.articles] == ["1. Quiet hours", "2. Complaints"]
    assert (
        report.articles[0].answer["en"]
        == "Construction is not allowed between 22:00 and 6:00 on working days."
    )
    assert "Lanchuan City 2026" not in report.articles[1].answer["en"]
    assert any("page 4: no text" in reason for reason in report.skipped)


def test_same_section_twice_is_taken_once(tmp_path: Path) -> None:
    paragraph = "<p>本市居民可以凭身份证免费办理读者证，外籍人士凭护照办理即可，无需缴纳押金。</p>"
    file = tmp_path / "twice.html"
    file.write_text(f"<h2>甲</h2>{paragraph}<h2>乙</h2>{paragraph}", "utf-8")
    report = import_document(file)
    assert len(report.articles) == 1
    assert any("stands earlier" in reason for reason in report.skipped)


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.pdf", b"%PDF-1.4 broken"), ("a.docx", b"PK broken"), ("a.pdf", b""), ("a.docx", b"")],
)
def test_damaged_document_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ArticleError, match=r"is no readable (PDF|DOCX)"):
        import_document(tmp_path / name)


def test_unknown_and_missing_document(tmp_path: Path) -> None:
    with pytest.raises(ArticleError, match="unknown kind"):
        import_document(tmp_path / "a.odt")
    with pytest.raises(ArticleError, match="cannot be read"):
        import_document(tmp_path / "a.pdf")


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_html_gives_valid_drafts(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.html"
    file.write_text(f"<h1>{text}</h1><p>{text}{text}<li>{text}", "utf-8", "replace")
    for item in import_document(file).articles:
        assert item.status == "draft" and item.answer
