"""What operators copy besides the alarms: systemd's unit, Prometheus's configuration, a setting of the kernel.

systemd-analyze and promtool (Debian's packages systemd and prometheus) judge them; without those, that part is
skipped. The proxy's configuration: tests/journeys/test_serving_proxy.py.
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import serve
import yaml
from constants import ROOT

from service.config import HELP

OPERATIONS = ROOT / "deploy"
UNIT = (OPERATIONS / "related-stories.service").read_text("utf-8")


def unit() -> configparser.ConfigParser:
    """The unit file; names keep their case, and no name stands twice in a section."""
    found = configparser.ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string(UNIT)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze (Debian: systemd)")
def test_systemd_finds_the_unit_in_order(tmp_path: Path) -> None:
    """With a program and a user that there are: those it looks for."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = UNIT.replace("/opt/related-stories/.venv/bin/python", str(program))
    (tmp_path / "related-stories.service").write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "related-stories.service"],
        capture_output=True,
        text=True,
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "related-stories" in line]
    assert ours == []


def test_the_unit_starts_serve_and_gives_it_the_time_that_it_takes_to_end() -> None:
    service = unit()["Service"]
    assert service["ExecStart"].split()[1:] == ["scripts/serve.py"]
    assert int(service["TimeoutStopSec"]) > serve.GRACE_SECONDS
    assert service["KillMode"] == "mixed"  # SIGTERM to serve.py alone, which passes it on
    assert service["RestartPreventExitStatus"] == "2"
    assert {each.lower() for each in re.findall(r"RELATED_([A-Z_]+)=", UNIT)} <= set(HELP)


def test_what_the_unit_lets_it_write_to_is_where_it_writes() -> None:
    service = unit()["Service"]
    assert service["ProtectSystem"] == "strict"
    given = dict(each.split("=") for each in service["Environment"].split())
    assert given == {
        "RELATED_STORE": f"/var/lib/{service['StateDirectory']}/store",
        "RELATED_SEARCH_SOCKET": f"/run/{service['RuntimeDirectory']}/search.sock",
    }


def test_prometheus_asks_where_the_service_listens_and_reads_the_alarms() -> None:
    told = yaml.safe_load((OPERATIONS / "prometheus.yml").read_text("utf-8"))
    assert told["rule_files"] == ["alarms.yml"]
    assert told["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]
    if shutil.which("promtool"):
        command = ["promtool", "check", "config", OPERATIONS / "prometheus.yml"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_kernel_knows_the_setting() -> None:
    (line,) = re.findall(r"^[^#\n].*$", (OPERATIONS / "related-stories.sysctl.conf").read_text("utf-8"), re.MULTILINE)
    name, value = line.split(" = ")
    assert value == "1"
    path = Path("/proc/sys") / name.replace(".", "/")
    if not path.exists():
        pytest.skip("this kernel is older than 5.14")
    assert path.read_text().strip() in ("0", "1")


@pytest.mark.parametrize("path", ["scripts/serve.py", "deploy/compose.yaml", "Dockerfile"])
def test_the_web_server_keeps_no_log_of_queries(path: str) -> None:
    """Granian's own access log quotes them, and they name readers; the service logs each request without."""
    assert "access-log" not in (ROOT / path).read_text("utf-8")
