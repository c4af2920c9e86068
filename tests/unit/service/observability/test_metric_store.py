"""Numbers that processes share: added up, outliving a kill, and in Prometheus's format."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from service.config import Settings
from service.observability.metric_store import NAMES, VALUES, Tallies, read_tallies
from service.observability.metrics import BUCKETS, METRICS, REQUESTS, Measures
from service.observability.prometheus import exposition
from service.observability.sharing import all_tallies, begin_anew, shared, tallies_of

LISTS = "related_lists_total"


def test_the_numbers_of_several_processes_add_up(tmp_path: Path) -> None:
    for name, times in (("1", 2), ("2", 3)):
        measures = Measures(Tallies(tmp_path / f"{name}.tallies"))
        for _ in range(times):
            measures.count(LISTS, "related", "ranked")
            measures.took(0.0003, "GET", "/a", "related")
    measures.count(LISTS, "latest", "empty", amount=4)
    found = read_tallies(sorted(tmp_path.iterdir()))
    assert found[LISTS, "related", "ranked"] == (5,)
    assert found[LISTS, "latest", "empty"] == (4,)
    total, *buckets = found[REQUESTS, "GET", "/a", "related"]
    assert total == pytest.approx(0.0015)
    assert buckets == [0, 5, *[0] * (len(BUCKETS) - 1)]


def test_a_process_that_is_started_again_counts_on(tmp_path: Path) -> None:
    path = tmp_path / "1.tallies"
    Measures(Tallies(path)).count(LISTS, "related", "ranked")
    again = Measures(Tallies(path))
    again.count(LISTS, "related", "filled")
    again.count(LISTS, "related", "ranked")
    assert again.tallies.read() == {(LISTS, "related", "ranked"): (2,), (LISTS, "related", "filled"): (1,)}


def test_a_kill_loses_nothing_that_was_counted(tmp_path: Path) -> None:
    path = tmp_path / "1.tallies"
    program = (
        "import os, signal; from pathlib import Path; from service.observability.metric_store import Tallies\n"
        f"t = Tallies(Path({str(path)!r})); t.add(t.place(('a', 'b')), 7); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    assert read_tallies([path]) == {("a", "b"): (7,)}


def test_a_name_torn_by_a_kill_is_not_read_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "1.tallies"
    Tallies(path).place(("whole",))
    for torn in (b'[["half', b'[["half"],1', b"\xff\xff\n"):
        content = bytearray(path.read_bytes())
        end = 8 * VALUES + content[8 * VALUES :].index(b"\n") + 1
        content[end : end + len(torn)] = torn
        path.write_bytes(content)
        assert read_tallies([path]) == {("whole",): (0,)}
    again = Tallies(path)
    again.add(again.place(("new",)))
    assert read_tallies([path])["new",] == (1,)


def test_a_full_file_loses_what_finds_no_room_and_nothing_else(tmp_path: Path) -> None:
    tallies = Tallies(tmp_path / "1.tallies")
    first = tallies.place(("first",))
    for number in range(VALUES):
        tallies.add(tallies.place((f"{number}",), 16))
    tallies.add(first)
    found = tallies.read()
    assert len(found) < VALUES
    assert found["first",] == (1,)
    assert all(values[0] == 1 and not any(values[1:]) for values in found.values())


def test_threads_that_meet_new_series_at_once_lose_no_count() -> None:
    tallies = Tallies()

    def count() -> None:
        for number in range(10_000):
            tallies.add(tallies.place((f"{number}",)))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=count) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(before)
    assert tallies.read() == {(f"{number}",): (4,) for number in range(10_000)}


def test_what_is_no_file_of_numbers_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "short.tallies").write_bytes(b"x")
    assert read_tallies([tmp_path / "short.tallies", tmp_path / "gone.tallies"]) == {}


def test_numbers_that_cannot_be_shared_are_kept_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "search.tallies").write_text("a file where the folder should be")
    settings = Settings(search_socket=tmp_path / "search.sock", worker=1)
    measures = Measures(tallies_of(settings), 1)
    measures.count(LISTS, "related", "ranked")
    assert all_tallies(settings, measures.tallies) == {(LISTS, "related", "ranked"): (1,)}


def test_what_an_earlier_run_counted_is_forgotten(tmp_path: Path) -> None:
    settings = Settings(search_socket=tmp_path / "search.sock")
    shared(settings, "9").place(("a",))
    begin_anew(settings.tallies)
    assert list(settings.tallies.iterdir()) == []


def test_a_histograms_buckets_hold_what_took_at_most_their_limit() -> None:
    measures = Measures(Tallies())
    for seconds in (0.0001, 0.001, 0.0011, 60):
        measures.took(seconds, "GET", "/a", "")
    lines = exposition(measures.tallies.read()).splitlines()
    labels = 'method="GET",route="/a",policy=""'
    told = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    assert told[f'{REQUESTS}_bucket{{{labels},le="0.0005"}}'] == 1
    assert told[f'{REQUESTS}_bucket{{{labels},le="0.001"}}'] == 2
    assert told[f'{REQUESTS}_bucket{{{labels},le="5"}}'] == 3
    assert told[f'{REQUESTS}_bucket{{{labels},le="+Inf"}}'] == told[f"{REQUESTS}_count{{{labels}}}"] == 4
    assert told[f"{REQUESTS}_sum{{{labels}}}"] == pytest.approx(60.0022)


def test_labels_are_escaped_and_a_gauge_that_is_none_is_left_out() -> None:
    measures = Measures(Tallies())
    measures.count("related_problems_total", 'a"b\\c\nd', "500")
    measures.tell("related_search_up", math.nan)
    told = exposition(measures.tallies.read())
    assert 'related_problems_total{code="a\\"b\\\\c\\nd",status="500"} 1\n' in told
    assert "related_search_up" not in told


def test_names_follow_prometheus() -> None:
    assert len({each.name for each in METRICS}) == len(METRICS)
    for each in METRICS:
        assert each.name.endswith("_total") == (each.kind == "counter"), each.name
        assert not each.name.endswith(("_ms", "_us", "_mb", "_percent")), each.name
        assert each.help.endswith("."), each.name


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian: prometheus)")
def test_promtool_finds_nothing_to_say_about_the_text() -> None:
    measures = Measures(Tallies())
    for metric in METRICS:
        if metric.kind == "histogram":
            measures.took(0.1, "GET", "/a", "")
        else:
            measures.count(metric.name, *metric.labels)
    text = exposition(measures.tallies.read())
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(text) < NAMES
