"""The console as people and attackers meet it before any section: sign-in, sessions, roles, tokens, headers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web

from console.app import SectionError, create_console
from console.config import ConsoleConfig
from console.i18n import Catalogue
from console.keeping import local_path
from console.section import Section
from console.sections import SECTIONS
from console.services import Services
from console.signin import TEXTS as SIGNIN_TEXTS
from console.staff import ROLES, StaffStore
from console.texts import TEXTS
from tests.console.conftest import FAST, PASSWORD, Console

_USED = re.compile(r"""\bt\(\s*["']([\w.]+)["']\s*[,)]""")


async def test_signing_in_opens_the_start_page_and_is_logged(console: Console) -> None:
    await console.sign_in("editor")
    page = await console.page("/")
    assert "Hello, editor" in page
    assert console.audit.entries(action="signin.in")[0].user == "editor"


async def test_someone_not_signed_in_is_sent_to_the_sign_in_page_and_back(console: Console) -> None:
    response = await console.get("/users?x=1")
    assert response.status == 303
    assert response.headers["Location"] == "/signin?next=/users?x%3D1"
    console.add_user("admin")
    page = await console.page("/signin?next=/users?x%3D1")
    assert 'value="/users?x=1"' in page
    response = await console.post("/signin", {"name": "admin", "password": PASSWORD, "next": "/users?x=1"})
    assert response.headers["Location"] == "/users?x=1"


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/\n/evil", ""],
)
async def test_no_address_leads_out_of_the_console(console: Console, path: str) -> None:
    assert local_path(path) == "/"
    console.add_user("viewer")
    await console.page("/signin")
    response = await console.post("/signin", {"name": "viewer", "password": PASSWORD, "next": path})
    assert response.headers["Location"] == "/"


async def test_wrong_names_and_wrong_passwords_read_the_same(console: Console) -> None:
    console.add_user("viewer")
    await console.page("/signin")
    wrong = await console.post("/signin", {"name": "viewer", "password": "not-the-password"})
    unknown = await console.post("/signin", {"name": "nobody", "password": "not-the-password"})
    assert wrong.status == unknown.status == 401
    assert (await wrong.text()).replace("viewer", "") == (await unknown.text()).replace("nobody", "")


async def test_guessing_locks_the_account_even_for_the_right_password(console: Console) -> None:
    console.add_user("viewer")
    await console.page("/signin")
    for _ in range(5):
        response = await console.post("/signin", {"name": "viewer", "password": "wrong-password"})
    assert response.status == 429
    response = await console.post("/signin", {"name": "viewer", "password": PASSWORD})
    assert response.status == 429
    assert "Too many attempts" in await response.text()


async def test_one_address_cannot_try_many_accounts(console: Console) -> None:
    await console.page("/signin")
    statuses = [
        (await console.post("/signin", {"name": f"user{number}", "password": "x"})).status
        for number in range(22)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_signing_in_makes_a_new_session_that_was_not_known_before(console: Console) -> None:
    console.client.session.cookie_jar.update_cookies({"chengda_staff": "chosen-by-an-attacker"})
    await console.sign_in("viewer")
    cookies = {cookie.key: cookie for cookie in console.client.session.cookie_jar}
    assert cookies["chengda_staff"].value != "chosen-by-an-attacker"
    assert console.staff.session("chosen-by-an-attacker") is None
    first = cookies["chengda_staff"].value
    response = await console.post("/signin", {"name": "viewer", "password": PASSWORD})
    assert response.status == 303
    assert console.staff.session(first) is None


async def test_cookies_are_hidden_from_scripts_and_other_sites(console: Console) -> None:
    console.add_user("viewer")
    await console.page("/signin")
    response = await console.post("/signin", {"name": "viewer", "password": PASSWORD})
    cookie = next(
        value for value in response.headers.getall("Set-Cookie") if value.startswith("chengda_staff=")
    )
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


async def test_behind_tls_cookies_are_secure(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]
) -> None:
    console = await browser_of(replace(console_config, trusted_proxies=("127.0.0.1/32",)))
    console.add_user("viewer")
    await console.page("/signin")
    headers = {"X-Forwarded-Proto": "https"}
    response = await console.post("/signin", {"name": "viewer", "password": PASSWORD}, headers=headers)
    assert "Secure" in next(
        c for c in response.headers.getall("Set-Cookie") if c.startswith("chengda_staff=")
    )


async def test_other_machines_need_tls(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]
) -> None:
    console = await browser_of(replace(console_config, trusted_proxies=("127.0.0.1/32",)))
    far = {"X-Forwarded-For": "203.0.113.9"}
    assert "A safe connection is needed" in await console.page("/signin", 403, headers=far)
    await console.page("/signin", 200, headers={**far, "X-Forwarded-Proto": "https"})


async def test_a_stranger_cannot_claim_tls(console: Console) -> None:
    response = await console.get("/signin", headers={"X-Forwarded-Proto": "https"})
    assert "Secure" not in response.headers.get("Set-Cookie", "")


async def test_every_response_carries_the_strict_policy(console: Console) -> None:
    for path in ("/signin", "/static/console.css", "/nowhere", "/static/nothing.js"):
        headers = (await console.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert (await console.get("/signin")).headers["Cache-Control"] == "no-store"


async def test_changes_need_the_token_of_the_session(console: Console) -> None:
    await console.sign_in("admin")
    good = console.token
    for token in ("", "0" * 64, good[:-1]):
        console.token = token
        assert (await console.post("/users", {"name": "eve", "role": "admin"})).status == 403
    console.token = good
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert (await console.post("/users", {"name": "eve", "role": "admin"}, headers=headers)).status == 403
    assert [user.name for user in console.staff.users()] == ["admin"]


async def test_another_persons_token_is_worth_nothing(
    console: Console, console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]
) -> None:
    await console.sign_in("admin")
    other = await browser_of(console_config)
    await other.sign_in("viewer")
    console.token = other.token
    assert (await console.post("/users", {"name": "eve", "role": "admin"})).status == 403


@pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
async def test_roles_do_not_reach_what_is_above_them_by_address(console: Console, role: str) -> None:
    await console.sign_in(role)
    for path in ("/users", "/audit", "/audit/export.csv"):
        assert (await console.get(path)).status == 403
    for path in ("/users", f"/users/{role}/role", "/users/admin/password", "/users/admin/disable"):
        assert (await console.post(path, {"role": "admin", "name": "eve"})).status == 403
    assert 'href="/users"' not in await console.page("/")


async def test_a_session_ends_and_what_was_typed_is_offered_again(tmp_path: Path, browser_of: Any) -> None:
    now = datetime(2026, 1, 1, 8)
    clock = [now]
    staff = StaffStore(f"sqlite:///{tmp_path / 'c.db'}", idle_minutes=60, hasher=FAST, clock=lambda: clock[0])
    console: Console = await browser_of(ConsoleConfig(staff=staff))
    await console.sign_in("admin")
    clock[0] = now + timedelta(minutes=61)
    old = console.token
    typed = "第一行\n</textarea><script>alert(1)</script>" + "长" * 80
    response = await console.post(
        "/users", {"_csrf": old, "name": "new.person", "role": "editor", "note": typed}
    )
    page = await response.text()
    assert response.status == 401
    assert "<script>alert" not in page
    console.token = re.search(r'name="_csrf" value="(\w+)"', page).group(1)  # type: ignore[union-attr]
    kept = json.dumps({"path": "/users", "fields": [["name", "new.person"], ["note", typed]]})
    response = await console.post("/signin", {"name": "admin", "password": PASSWORD, "kept": kept})
    page = await response.text()
    assert response.status == 200
    assert 'action="/users"' in page
    assert 'value="new.person"' in page
    assert "&lt;/textarea&gt;&lt;script&gt;" in page
    assert len(staff.users()) == 1


async def test_a_page_of_an_older_session_offers_its_text_instead_of_losing_it(console: Console) -> None:
    await console.sign_in("admin")
    old = console.token
    await console.post("/signout")
    await console.page("/signin")
    await console.sign_in("admin")
    console.token = ""
    data = {"_csrf": old, "name": "typed.before", "role": "editor"}
    response = await console.client.post("/users", data=data, allow_redirects=False)
    page = await response.text()
    assert response.status == 403
    assert "What you typed is kept" in page
    assert 'value="typed.before"' in page


async def test_a_kept_form_never_leads_elsewhere(console: Console) -> None:
    console.add_user("viewer")
    await console.page("/signin")
    kept = json.dumps({"path": "https://evil.example/", "fields": []})
    page = await (
        await console.post("/signin", {"name": "viewer", "password": PASSWORD, "kept": kept})
    ).text()
    assert "evil.example" not in page
    broken = await console.post("/signin", {"name": "viewer", "password": PASSWORD, "kept": "{"})
    assert broken.status in (303, 403)


async def test_signing_out_ends_the_session_on_the_server(console: Console) -> None:
    await console.sign_in("viewer")
    token = next(c.value for c in console.client.session.cookie_jar if c.key == "chengda_staff")
    assert (await console.post("/signout")).status == 303
    assert console.staff.session(token) is None


async def test_the_language_is_chosen_and_remembered(console: Console) -> None:
    await console.sign_in("viewer")
    page = await console.submit("/language", {"to": "zh", "next": "/"})
    assert 'lang="zh-CN"' in page
    assert "您好，viewer" in page
    assert console.staff.find("viewer").language == "zh"


async def test_wrong_encodings_and_huge_forms_get_a_page_that_says_so(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]
) -> None:
    console = await browser_of(replace(console_config, body_bytes=1024 * 1024))
    await console.sign_in("admin")
    del console.token
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=no-such-charset"}
    response = await console.client.post("/users", data=b"name=a", headers=kind)
    assert response.status == 400
    broken = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    response = await console.client.post("/users", data=b"name=\xff\xfe", headers=broken)
    assert response.status == 400
    response = await console.client.post("/users", data={"name": "x" * 2_000_000})
    assert response.status == 413
    assert "1 MB" in await response.text()
    truncated = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await console.client.post("/users", data=b"--x\r\nbroken", headers=truncated)
    assert response.status in (400, 403)


async def test_users_are_added_changed_and_closed_with_an_entry_for_each(console: Console) -> None:
    await console.sign_in("admin")
    page = await console.submit("/users", {"name": "王小明", "role": "editor", "password": PASSWORD})
    assert "王小明" in page
    await console.submit("/users/王小明/role", {"role": "publisher"})
    await console.submit("/users/王小明/disable")
    assert console.staff.find("王小明").disabled
    actions = [(e.action, e.before, e.after) for e in console.audit.entries(target="王小明")]
    assert ("users.role", {"role": "editor"}, {"role": "publisher"}) in actions
    assert ("users.disable", {"disabled": False}, {"disabled": True}) in actions
    page = await console.page("/audit?target=王小明")
    assert "Account closed" in page
    sheet = await console.page("/audit/export.csv")
    assert "users.disable" in sheet


async def test_a_made_password_is_shown_once_and_works(console: Console) -> None:
    await console.sign_in("admin")
    page = await (await console.post("/users", {"name": "lin", "role": "viewer"})).text()
    password = re.search(r"of lin is (\S+) and", page).group(1)  # type: ignore[union-attr]
    assert console.staff.check("lin", password).user is not None
    assert password not in await console.page("/users")
    assert password not in await console.page("/audit")


async def test_the_last_administrator_stays(console: Console) -> None:
    await console.sign_in("admin")
    page = await console.submit("/users/admin/disable")
    assert "At least one administrator" in page
    await console.submit("/users/admin/role", {"role": "viewer"})
    assert console.staff.find("admin").role == "admin"


async def test_script_in_a_name_is_refused_and_shown_as_text(console: Console) -> None:
    await console.sign_in("admin")
    response = await console.post("/users", {"name": "<script>alert(1)</script>", "role": "viewer"})
    page = await response.text()
    assert response.status == 422
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


async def test_wildcards_of_sql_are_plain_text_in_the_audit_filters(console: Console) -> None:
    await console.sign_in("admin")
    await console.submit("/users", {"name": "a_b", "role": "viewer", "password": PASSWORD})
    await console.submit("/users", {"name": "acb", "role": "viewer", "password": PASSWORD})
    page = await console.page("/audit?target=a_b")
    assert "<td>a_b</td>" in page
    assert "<td>acb</td>" not in page
    assert "Nothing here" in await console.page("/audit?target=%25")


async def test_changing_ones_own_password_ends_the_other_sessions(
    console: Console, console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]
) -> None:
    await console.sign_in("viewer")
    other = await browser_of(console_config)
    await other.sign_in("viewer")
    response = await console.post("/account", {"old": "wrong", "new": "another-horse-7", "repeat": "other"})
    assert response.status == 422
    await console.submit("/account", {"old": PASSWORD, "new": "another-horse-7", "repeat": "another-horse-7"})
    assert (await other.get("/")).status == 303
    assert console.staff.check("viewer", "another-horse-7").user is not None


async def test_files_of_the_console_stay_in_their_folder(console: Console) -> None:
    for path in ("/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/"):
        assert (await console.get(path)).status in (303, 404)
    assert (await console.get("/static/htmx.min.js")).status == 200


async def test_an_internal_error_names_a_number_and_nothing_else(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any], tmp_path: Path
) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        raise RuntimeError("secret detail")

    section = Section(
        "demo", "viewer", lambda: [web.get("/demo", broken)], {"title": ("示例", "Demo")}, tmp_path
    )
    console = await browser_of(replace(console_config, sections=(*SECTIONS, section)))
    await console.sign_in("viewer")
    page = await console.page("/demo", 500)
    assert "secret detail" not in page
    assert "the number" in page


def test_a_section_keeps_to_its_own_paths(console_config: ConsoleConfig, tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response()

    section = Section("demo", "viewer", lambda: [web.get("/users/x", handler)], {}, tmp_path)
    with pytest.raises(SectionError, match="must start with /demo"):
        create_console(replace(console_config, sections=(section,)))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_every_text_a_section_shows_exists_in_both_languages(section: Section) -> None:
    catalogue = Catalogue({**TEXTS, **SIGNIN_TEXTS}, SECTIONS)
    for key, pair in section.texts.items():
        assert all(pair), key
        assert set(re.findall(r"{(\w+)}", pair[0])) == set(re.findall(r"{(\w+)}", pair[1])), key
    files = [*section.folder.rglob("*.html"), *section.folder.rglob("*.py")]
    for file in files:
        for key in _USED.findall(file.read_text("utf-8")):
            assert key in catalogue, f"{file.name}: {key}"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_no_template_of_a_section_needs_inline_script_or_style(section: Section) -> None:
    for file in section.folder.rglob("*.html"):
        text = file.read_text("utf-8")
        assert not re.search(
            r"\son\w+=|\sstyle=|<style|<script(?![^>]*\bsrc=)|javascript:|\|\s*safe\b", text
        ), file


def test_forms_of_templates_that_change_something_carry_the_token() -> None:
    folder = Path(create_console.__code__.co_filename).parent
    for file in folder.rglob("*.html"):
        text = file.read_text("utf-8")
        for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.S):
            assert "csrf()" in form, file


async def test_uploads_keep_only_the_last_part_of_their_name(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any], tmp_path: Path
) -> None:
    from console.forms import read_form

    seen: list[Any] = []

    async def take(request: web.Request) -> web.StreamResponse:
        seen.append((await read_form(request)).file("file"))
        return web.Response()

    section = Section(
        "demo", "viewer", lambda: [web.post("/demo", take)], {"title": ("示例", "Demo")}, tmp_path
    )
    console = await browser_of(replace(console_config, sections=(*SECTIONS, section)))
    await console.sign_in("viewer")
    for name in ("../../etc/passwd", "..\\..\\evil.md", "/abs/x.csv", "...."):
        data = FormData(quote_fields=False)
        data.add_field("file", b"x", filename=name)
        assert (await console.post("/demo", data)).status == 200
    assert [upload.name for upload in seen] == ["passwd", "evil.md", "x.csv", "file"]


async def test_exports_are_for_staff_only(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any], tmp_path: Path
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "plan-0a1b.csv").write_text("stage,green_s\n", "utf-8")
    (tmp_path / "secret.csv").write_text("secret", "utf-8")
    console = await browser_of(replace(console_config, services=Services(exports=folder)))
    assert (await console.get("/exports/plan-0a1b.csv")).status == 303
    await console.sign_in("viewer")
    response = await console.get("/exports/plan-0a1b.csv")
    assert response.status == 200
    assert response.headers["Content-Disposition"].startswith("attachment")
    for path in ("/exports/none.csv", "/exports/..%2Fsecret.csv", "/exports/"):
        assert (await console.get(path)).status == 404
