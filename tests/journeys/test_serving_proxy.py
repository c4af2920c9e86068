"""The proxy that operations ship, before the real service: kills cost nobody anything, slow bodies stop there.

nginx from Debian's package; without it these tests are skipped by name, and fail in CI.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from constants import ROOT
from killed_workers import kill_under_load
from served import Service, editions, served, until

from index.publishing.store import Store
from scripts.tools.server_process import free_port

SHIPPED = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")


@pytest.fixture(scope="module", autouse=True)
def nginx() -> str:
    """The program."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        message = "no nginx: install it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def configuration(folder: Path, site: str) -> Path:
    """A whole configuration around the shipped one, all of whose files lie in the folder."""
    places = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "site.conf").write_text(site.replace("/var/log/nginx/", f"{folder}/"))
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;"
        # Readers of these tests overlook "Connection: close", which nginx says after a thousand questions.
        f"events {{}} http {{ access_log off; keepalive_requests 1000000; {places} include {folder}/site.conf; }}\n"
    )
    return main


def with_certificate(folder: Path, site: str) -> str:
    """The site with a certificate that there is."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stories.example"]
    subprocess.run([*command, "-keyout", folder / "key", "-out", folder / "pem"], check=True, capture_output=True)
    return site.replace("/etc/ssl/stories.example.pem", f"{folder}/pem").replace(
        "/etc/ssl/stories.example.key", f"{folder}/key"
    )


def plain(site: str, port: int) -> str:
    """The site without TLS, which tests have no need of, on a port of its own."""
    return re.sub(r" +ssl_\w+ .*;\n", "", site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};"))


@contextmanager
def proxied(program: str, folder: Path, service_port: int) -> Iterator[int]:
    """The shipped proxy before a service until the block ends; gives its port."""
    port = free_port()
    folder.mkdir()
    site = plain(SHIPPED.replace("127.0.0.1:8000", f"127.0.0.1:{service_port}"), port)
    command = [program, "-p", folder, "-e", folder / "error.log", "-c", configuration(folder, site)]
    process = subprocess.Popen(command)
    try:
        until(lambda: process.poll() is None and answers(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_nginx_finds_the_shipped_configuration_in_order(nginx: str, tmp_path: Path) -> None:
    main = configuration(tmp_path, with_certificate(tmp_path, SHIPPED))
    done = subprocess.run(
        [nginx, "-t", "-p", tmp_path, "-e", tmp_path / "error.log", "-c", main], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_no_log_of_the_proxy_names_a_reader(nginx: str, tmp_path: Path) -> None:
    """Nor where the service is away, which nginx's own error log would quote the whole request for."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        folder = tmp_path / "nginx"
        with proxied(nginx, folder, nobody.getsockname()[1]) as port:
            referer = "https://courier.example/news/ferry?reader=u-secret#u-secret"
            with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/v1/related?id=ferry/3&unit=u-secret", headers={"Referer": referer})
                assert connection.getresponse().status == 502
    logs = {path.name: path.read_text() for path in folder.glob("*.log")}
    assert '"path":"/v1/related"' in logs["related-stories.log"]
    assert '"page":"https://courier.example/news/ferry"' in logs["related-stories.log"]
    assert '"status":"502"' in logs["related-stories.log"]
    assert "u-secret" not in "".join(logs.values())


def test_killed_workers_cost_readers_behind_the_proxy_nothing(nginx: str, tmp_path: Path) -> None:
    each, told = kill_under_load(
        tmp_path, 2, kills=3, rate=100, proxy=lambda port: proxied(nginx, tmp_path / "nginx", port)
    )
    assert sum(each) == 0, told


@pytest.mark.proof
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("workers", [2, 4])
def test_fifty_killed_workers_cost_readers_behind_the_proxy_nothing(nginx: str, tmp_path: Path, workers: int) -> None:
    each, told = kill_under_load(
        tmp_path, workers, kills=50, rate=100, proxy=lambda port: proxied(nginx, tmp_path / "nginx", port)
    )
    print(f"\nbehind nginx: {told}")
    assert sum(each) == 0


def test_bodies_that_never_come_stop_at_the_proxy_and_what_is_the_operators_is_not_shown(
    nginx: str, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    editions(store, [0])
    with served(store, tmp_path, workers=1) as service, proxied(nginx, tmp_path / "nginx", service.port) as port:
        before = Service(store, port, service.process)
        begun = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"
        opened = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
        for each in opened:
            each.sendall(begun)
        threading.Event().wait(0.5)
        assert [before.ask("POST", "/v1/events", b"{}")[0] for _ in range(20)] == [422] * 20
        assert before.get("/v1/related?id=a7")[0] == 200
        assert [before.ask("GET", path)[0] for path in ("/metrics", "/readyz")] == [404, 404]
        assert before.ask("PUT", "/v1/article?id=a", bytes((1 << 20) + 1))[0] == 413
        for each in opened:
            each.close()
