"""The console around real stores in a folder of the test, and a browser-like client that signs in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher

from console.app import create_console
from console.config import ConsoleConfig
from console.services import Services
from console.staff import AuditLog, StaffStore, StaffUser

PASSWORD = "correct-horse-9"
# The cheapest argon2 there is: tests check what happens around the hash, not its cost.
FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_TOKEN = re.compile(r'name="_csrf" value="([0-9a-f]{64})"')


@dataclass
class Console:
    """One browser at a console: it keeps cookies and sends the request token as the pages do."""

    client: TestClient
    config: ConsoleConfig
    token: str = ""

    @property
    def staff(self) -> StaffStore:
        """The accounts behind the console."""
        return self.config.staff

    @property
    def audit(self) -> AuditLog:
        """The audit log."""
        return AuditLog(self.config.staff.engine)

    def add_user(self, role: str, name: str = "") -> StaffUser:
        """Make an account named after its role, with the tests' password."""
        return self.staff.add(name or role, role, PASSWORD)

    async def sign_in(self, role: str, name: str = "") -> Console:
        """Sign in as someone of `role`; the account is made when it is missing."""
        name = name or role
        if name not in [user.name for user in self.staff.users()]:
            self.add_user(role, name)
        await self.page("/signin")
        response = await self.post("/signin", {"name": name, "password": PASSWORD})
        assert response.status == 303, await response.text()
        await self.page("/account")
        return self

    async def get(self, path: str, **options: Any) -> ClientResponse:
        """GET without following redirects."""
        return await self.client.get(path, allow_redirects=False, **options)

    async def page(self, path: str, status: int = 200, **options: Any) -> str:
        """GET a page, remember its request token, return its text."""
        response = await self.client.get(path, **options)
        text = await response.text()
        assert response.status == status, f"{path}: {response.status}\n{text[-2000:]}"
        found = _TOKEN.search(text)
        if found:
            self.token = found.group(1)
        return text

    async def post(self, path: str, data: Any = None, **options: Any) -> ClientResponse:
        """POST a form with the token of the last page, without following redirects."""
        headers = {"X-CSRF-Token": self.token, **options.pop("headers", {})}
        return await self.client.post(path, data=data, headers=headers, allow_redirects=False, **options)

    async def submit(self, path: str, data: Any = None, **options: Any) -> str:
        """POST a form, follow its redirect, return the next page."""
        response = await self.post(path, data, **options)
        assert response.status == 303, f"{path}: {response.status}\n{(await response.text())[-2000:]}"
        return await self.page(response.headers["Location"])


@pytest.fixture
def staff(tmp_path: Path) -> StaffStore:
    """An empty store of accounts."""
    return StaffStore(f"sqlite:///{tmp_path / 'console.db'}", hasher=FAST)


@pytest.fixture
def services() -> Services:
    """What the console's pages get of other rooms; tests of a section override this fixture."""
    return Services()


@pytest.fixture
def console_config(staff: StaffStore, services: Services) -> ConsoleConfig:
    """The console's settings; tests override this fixture for others."""
    return ConsoleConfig(
        staff=staff, services=services, city=("澜川市", "Lanchuan City"), zone=ZoneInfo("Asia/Shanghai")
    )


@pytest.fixture
async def browser_of() -> AsyncIterator[Callable[[ConsoleConfig], Any]]:
    """Open a console in a browser of its own: `await browser_of(config)`; call it twice for two people."""
    clients: list[TestClient] = []

    async def open_browser(config: ConsoleConfig) -> Console:
        client = TestClient(TestServer(create_console(config)), headers={"Accept-Language": "en"})
        await client.start_server()
        clients.append(client)
        return Console(client, config)

    yield open_browser
    for client in clients:
        await client.close()


@pytest.fixture
async def console(console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]) -> Console:
    """A browser at the console, nobody signed in, English; `await console.sign_in("editor")`."""
    browser: Console = await browser_of(console_config)
    return browser
