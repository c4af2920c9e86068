"""deploy/compose.yaml, as far as it can be read without a container engine."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from constants import ROOT
from granian.cli import cli

from scripts.tools import check_docker
from service.auth.secrets import SECRET_BYTES
from service.config import PREFIX, Settings

GIVEN = {"POSTGRES_PASSWORD": "secret", "RELATED_ARCHIVE": "/archive", "RELATED_KEYS_FILE": "/keys.toml"}


def interpolated(text: str) -> str:
    """With what has to be set: an unknown name is an error."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda match: GIVEN[match[1]], text)


TEXT = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(interpolated(TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "related-stories"}
IMAGE = check_docker.variables(check_docker.parse((ROOT / "Dockerfile").read_text())[-1], {})


def command(service: dict[str, Any]) -> list[str]:
    found = service["command"]
    return found if isinstance(found, list) else shlex.split(found)


def volumes(service: dict[str, Any]) -> dict[str, str]:
    """By where they are mounted: what is mounted there."""
    return {parts[1]: parts[0] for parts in (text.split(":") for text in service.get("volumes", []))}


def test_all_parts_are_there() -> None:
    assert set(SERVICES) == {"web", "search", "pull", "postgres", "upgrade", "rebuild", "own", "secret"}
    assert SERVICES["web"]["deploy"]["replicas"] == 2
    assert SERVICES["rebuild"]["profiles"] == ["rebuild"]  # not started with the others
    assert all("profiles" not in service for name, service in SERVICES.items() if name != "rebuild")


@pytest.mark.parametrize("name", [name for name, each in OURS.items() if "scripts/" in command(each)[1]])
def test_a_scripts_options_are_those_that_it_has(name: str) -> None:
    _, script, *arguments = command(SERVICES[name])
    module = importlib.import_module(Path(script).stem)
    assert Path(module.__file__ or "") == ROOT / script
    module._parser().parse_args(arguments)


def test_the_web_server_and_the_search_process_start_as_serve_does() -> None:
    serve = importlib.import_module("serve")
    arguments = command(SERVICES["web"])[3:]
    ours = cli.make_context("granian", arguments).params
    assert importlib.import_module("service.cli.search_process").main
    theirs_command = serve.web_worker(Settings(host="0.0.0.0"), 1, None).command[3:]  # noqa: S104 - parsed only
    theirs = cli.make_context("granian", list(theirs_command)).params
    different = {name for name in ours if ours[name] != theirs[name]}
    assert different == {"workers_kill_timeout"}
    assert command(SERVICES["search"])[1:] == list(serve.search_process(None).command[1:])


@pytest.mark.parametrize("name", OURS)
def test_settings_are_known_and_what_is_written_lies_on_a_volume(name: str) -> None:
    service = OURS[name]
    given = {key: value for key, value in IMAGE.items() | service.get("environment", {}).items() if key[:8] == PREFIX}
    settings = Settings.from_environment(given)
    assert settings.live_url is None or "environment" not in service or settings.live_url.startswith("postgresql://")
    assert service["read_only"]
    if name in ("web", "search"):
        assert {"/data"} <= set(volumes(service))
        assert settings.store.is_relative_to("/data")
        assert settings.search_socket.is_relative_to("/data")


def test_processes_of_a_machine_share_the_store_that_is_pulled() -> None:
    pulled = command(SERVICES["pull"])
    assert pulled[pulled.index("--store") + 1] == IMAGE["RELATED_STORE"]
    assert volumes(SERVICES["web"])["/data"] == volumes(SERVICES["search"])["/data"]
    assert volumes(SERVICES["web"])["/data"] == volumes(SERVICES["pull"])["/data"]
    built = command(SERVICES["rebuild"])
    assert built[built.index("--store") + 1] == pulled[pulled.index("--from") + 1]
    assert volumes(SERVICES["pull"])["/shared"] == volumes(SERVICES["rebuild"])["/shared"]


def test_what_is_named_exists() -> None:
    named = {source for service in SERVICES.values() for source in volumes(service).values() if source[0] != "/"}
    assert named == set(COMPOSE["volumes"])
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_only_what_answers_over_http_is_asked_for_its_health() -> None:
    asked = {name for name, service in OURS.items() if not service.get("healthcheck", {}).get("disable")}
    assert asked == {"web"}


def test_who_writes_to_the_volume_of_all_machines_may() -> None:
    of_image = {"/data"}  # made for the image's user, whose volumes are then his
    assert "install --directory --owner 10001 --group 10001 /data" in (ROOT / "Dockerfile").read_text()
    assert command(SERVICES["own"]) == ["chown", "10001:10001", "/shared"]
    assert (SERVICES["own"]["user"], SERVICES["own"]["cap_add"]) == ("0:0", ["CHOWN"])
    for name, service in OURS.items():
        mounted = {where for where, what in volumes(service).items() if what in COMPOSE["volumes"]} - of_image
        if name != "own" and mounted:
            assert mounted == {"/shared"}
            assert service["depends_on"]["own"]["condition"] == "service_completed_successfully"


def test_all_machines_sign_with_one_secret(tmp_path: Path) -> None:
    """What the service `secret` runs, on two machines that share a folder."""
    *start, program = command(SERVICES["secret"])
    assert start == ["python", "-c"]
    assert SERVICES["web"]["depends_on"]["secret"]["condition"] == "service_completed_successfully"
    events = Settings(store=Path(IMAGE["RELATED_STORE"])).events_directory
    assert str(events) in program
    (tmp_path / "shared").mkdir()
    found = []
    for machine in ("one", "two", "one"):
        here = program.replace("/data/", f"{tmp_path}/{machine}/").replace("/shared", f"{tmp_path}/shared")
        subprocess.run([sys.executable, "-c", here], check=True)
        secret = tmp_path / machine / "store" / "events" / "token.secret"
        assert secret.stat().st_mode & 0o777 == 0o600
        found.append(secret.read_bytes())
    assert len(found[0]) == SECRET_BYTES
    assert len(set(found)) == 1
