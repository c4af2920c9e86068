"""scripts/events.py: what is shown, what is old enough to go, and that all of a reader goes and nothing of others."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from constants import NOW
from events import main

from service.experiments.event_log import segments


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "events"
    path.mkdir()
    return path


def run(command: str, folder: Path, *arguments: str) -> int:
    return main([command, "--events", str(folder), *arguments], lambda: float(NOW))


def exposure(unit: str, list_id: str) -> dict[str, Any]:
    return {"kind": "exposure", "at": NOW, "list_id": list_id, "unit": unit, "items": [{"id": "a", "unit": "u-1"}]}


def view(list_id: str) -> dict[str, Any]:
    return {"kind": "view", "at": NOW, "list_id": list_id, "article_id": "u-1"}


def click(list_id: str) -> dict[str, Any]:
    return {"kind": "click", "at": NOW, "list_id": list_id, "clicked_id": "a"}


REFUSED = {"kind": "refused", "at": NOW, "reason": "replay", "count": 3}


def write(folder: Path, name: str, *found: dict[str, Any], torn: str = "") -> Path:
    path = folder / f"{name}-7-abcd.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in found) + torn, "utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_show_counts_what_there_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "20261122T090000", exposure("u-1", "l1"), view("l1"), view("l1"), REFUSED, torn='{"kind":')
    write(folder, "20261124T090000", click("l1"), {"kind": "later", "at": NOW}, torn='nonsense\n[1]\n{"at":1}\n')
    size = sum(each.stat().st_size for each in segments(folder))
    assert run("show", folder) == 0
    found = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert found == {
        "segments": "2, 20261122 to 20261124",
        "bytes": f"{size:,}",
        "exposure": "1",
        "view": "2",
        "click": "1",
        "refused": "1",
        "later": "1",
        "unreadable": "3",
        "torn": "1",
    }


def test_show_of_an_empty_directory_is_all_zero(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", folder) == 0
    assert "segments   0\nbytes      0\n" in capsys.readouterr().out


def test_prune_keeps_so_many_days_and_today(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = ("20261121", "20261122", "20261123", "20261124")
    for day in days:
        write(folder, f"{day}T235959", view("l1"))
    assert run("prune", folder, "--keep-days", "2") == 0
    assert [each.name[:8] for each in segments(folder)] == ["20261122", "20261123", "20261124"]
    size = segments(folder)[0].stat().st_size
    assert capsys.readouterr().out == f"removed 1 segments of before 20261122 ({size} bytes), kept 3\n"
    assert run("prune", folder, "--keep-days", "1") == 0
    assert [each.name[:8] for each in segments(folder)] == ["20261123", "20261124"]


@pytest.mark.parametrize("days", ["0", "-1", "many"])
def test_prune_never_takes_today(folder: Path, days: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("prune", folder, "--keep-days", days)


def test_erase_takes_a_readers_lists_and_what_became_of_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [exposure("u-10", "l2"), view("l2"), click("l2"), REFUSED]
    mixed = write(folder, "20261123T090000", exposure("u-1", "l1"), *others, view("l1"), exposure("u-1", "l3"))
    clicks = write(folder, "20261123T090001", click("l3"), click("l2"), click("l1"))
    untouched = write(folder, "20261123T090002", *others)
    before = untouched.stat().st_ino
    assert run("erase", folder, "--unit", "u-1") == 0
    assert capsys.readouterr().out.startswith("removed lines: exposure 2, view 1, click 2, unreadable 0\n")
    assert (read(mixed), read(clicks), read(untouched)) == (others, [click("l2")], others)
    assert untouched.stat().st_ino == before
    assert stat.S_IMODE(mixed.stat().st_mode) == 0o600
    assert len(list(folder.iterdir())) == 3


def written(path: Path) -> tuple[int, int, int]:
    """Which file it is and when it was last written; reading it changes the time of access alone."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def test_erasing_again_does_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "20261123T090000", exposure("u-1", "l1"), view("l1"), exposure("u-2", "l2"))
    assert run("erase", folder, "--unit", "u-1") == 0
    (segment,) = segments(folder)
    before, _ = written(segment), capsys.readouterr()
    assert run("erase", folder, "--unit", "u-1") == 0
    assert capsys.readouterr().out.startswith("removed lines: exposure 0, view 0, click 0, unreadable 0\n")
    assert written(segment) == before


def test_erase_takes_unreadable_lines_that_name_the_reader_or_its_lists_and_torn_ones(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = "\x00\n[1]\n{'unit': 'u-2'}\n"
    theirs = "{'unit': 'ü \\\"1'}\n{'unit': '\\u00fc \\\"1'}\n{'list_id': 'l1'}\n"
    listed = write(folder, "20261123T090000", exposure('ü "1', "l1"), view("l2"), torn=others + theirs)
    torn = write(folder, "20261123T090001", view("l2"), torn='{"kind":"exposure","unit":"ü')
    assert run("erase", folder, "--unit", 'ü "1') == 0
    assert "unreadable 4" in capsys.readouterr().out
    assert listed.read_text("utf-8") == json.dumps(view("l2")) + "\n" + others
    assert read(torn) == [view("l2")]


def test_what_a_killed_command_left_is_cleared(folder: Path) -> None:
    segment = write(folder, "20261123T090000", exposure("u-1", "l1"), view("l2"))
    left = segment.with_name(segment.name + ".tmp")
    left.write_text("half")
    assert run("erase", folder, "--unit", "u-1") == 0
    assert not left.exists()
    assert read(segment) == [view("l2")]


def test_two_commands_never_work_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert run("erase", folder, "--unit", "u-1") == os.EX_TEMPFAIL
        assert run("prune", folder, "--keep-days", "9") == os.EX_TEMPFAIL
        assert capsys.readouterr().err.count(f"another command is at work in {folder}") == 2
        assert run("show", folder) == 0
    finally:
        os.close(held)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", tmp_path / "none") == 2
    assert capsys.readouterr().err == f"error: there is no directory {tmp_path / 'none'}\n"
