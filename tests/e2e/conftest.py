"""The real server, started once for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.servers import Server, settings_for, start_server, stop_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server on a free port."""
    folder = tmp_path_factory.mktemp("city")
    settings_for(folder)
    running = start_server(folder)
    yield running
    stop_server(running)


@pytest.fixture(scope="session")
def server_url(server: Server) -> str:
    """The address of the real server."""
    return server.url
