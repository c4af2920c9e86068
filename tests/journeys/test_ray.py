"""A rebuild on a Ray cluster of nodes on the loopback, some of which die: the same files as of one machine."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from constants import NOW, ROOT
from hashing_embedder import HashingEmbedder
from rebuilder import archive_file, rebuild_arguments

from index.article import Article
from index.build import rebuild
from index.candidates import blocks as workbench
from index.embedding.sentence_transformer import DenseEmbedder
from index.execution.executor import Engine, Local, Work
from index.publishing.store import Store
from index.snapshot.manifest import describe_file
from index.types import BadVectors

# On the loopback, but no name of "localhost", which Ray replaces by the machine's address. One each: the process that
# builds ends with the node of its own address.
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


class Nodes:
    """A head and two more, of one processor each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster()
        self.head, *self.others = map(self._add, ADDRESSES)

    def _add(self, address: str) -> Any:
        return self.cluster.add_node(
            num_cpus=1, node_ip_address=address, object_store_memory=80 << 20, include_dashboard=False
        )

    def kill_one(self) -> None:
        """At once; what runs on it notices, and dies."""
        self.cluster.remove_node(self.others.pop(), allow_graceful=False)

    @property
    def engine(self) -> Engine:
        from index.execution.ray_executor import Ray

        return Ray(self.cluster.address)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    if importlib.util.find_spec("ray") is None:
        message = "no Ray: install the extra ray"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        parts = ".", "tests", "tests/helpers"  # what nodes have installed
        patch.setenv("PYTHONPATH", os.pathsep.join(str(ROOT / part) for part in parts))
        running = Nodes()
        try:
            yield running
        finally:
            ray.shutdown()
            running.cluster.shutdown()


def hashes(store: Store) -> dict[str, str]:
    """Of every file of what is served but the manifest."""
    directory = store.directory(store.active_id("default") or "")
    return {path.name: describe_file(path).sha256 for path in directory.iterdir() if "manifest" not in path.name}


def test_a_cluster_that_loses_a_node_builds_the_files_that_one_machine_builds(
    nodes: Nodes, tmp_path: Path, sample_articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench, "BLOCK", 8)
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    rebuild(sample_articles, here, HashingEmbedder(), NOW, engine=Local(1))
    embedder, told = HashingEmbedder(), []

    def progress(stage: str, done: int, total: int) -> None:
        told.append((stage, done))
        if stage == "neighbours" and 0 < done < total and len(nodes.others) == 2:
            nodes.kill_one()

    rebuild(sample_articles, there, embedder, NOW, engine=nodes.engine, progress=progress)
    assert len(nodes.others) == 1
    assert embedder.embedded == []  # not by this process
    assert [done for stage, done in told if stage == "neighbours"][-1] == len(sample_articles)
    assert hashes(there) == hashes(here)


def test_what_ran_on_a_node_that_dies_is_done_on_another(nodes: Nodes, tmp_path: Path) -> None:
    def marks() -> list[Path]:
        return list(tmp_path.glob("started-*"))

    def task(folder: Path) -> Work:
        def work(start: int, _stop: int) -> None:
            (folder / f"started-{start}-{os.getpid()}").touch()
            while not (folder / "go on").exists():
                time.sleep(0.01)
            (folder / f"done-{start}").touch()

        return work

    def kill_when_both_work() -> None:
        while len(marks()) < 2:
            time.sleep(0.01)
        working = [Path("/proc", mark.name.rpartition("-")[2]) for mark in marks()]
        nodes.kill_one()
        while all(process.exists() for process in working):
            time.sleep(0.01)
        (tmp_path / "go on").touch()

    killing = threading.Thread(target=kill_when_both_work)
    killing.start()
    heard: list[int] = []
    nodes.engine.run(task, tmp_path, [(0, 1), (1, 3), (3, 6)], heard.append)
    killing.join()
    assert sorted(heard) == [1, 2, 3]
    assert len(marks()) == 4  # one of them twice
    assert sorted(path.name for path in tmp_path.glob("done-*")) == ["done-0", "done-1", "done-3"]


def test_what_a_task_raises_is_raised_here(nodes: Nodes, tmp_path: Path) -> None:
    def fails(folder: Path) -> Work:
        raise FileNotFoundError(2, "no such block", str(folder))

    with pytest.raises(FileNotFoundError, match="no such block") as caught:
        nodes.engine.run(fails, tmp_path, [(0, 1)], lambda _: None)
    assert type(caught.value) is FileNotFoundError  # none of Ray's classes that are it as well


def test_a_node_with_another_model_embeds_nothing(nodes: Nodes) -> None:
    class Other(HashingEmbedder):
        fingerprint = "another"

        def __reduce__(self) -> tuple[type[HashingEmbedder], tuple[()]]:
            return HashingEmbedder, ()

    with pytest.raises(BadVectors, match="has the model hashing-64, not another"):
        list(nodes.engine.embed(Other(), [["a text"]], lambda _: None))


def test_the_command_rebuilds_on_the_cluster_that_is_named(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import rebuild_index

    embedder = HashingEmbedder()
    monkeypatch.setattr(rebuild_index, "embedder_named", lambda _: embedder)
    monkeypatch.setenv("RAY_ADDRESS", nodes.cluster.address)
    arguments = rebuild_arguments(archive_file(tmp_path), tmp_path / "store")
    assert rebuild_index.main([*arguments, "--engine", "ray", "--workers", "1"]) == 0
    assert embedder.embedded == []
    assert rebuild_index.main([*arguments, "--engine", "ray", "--workers", "0"]) == 2
    assert "--workers must be 1 or more" in capsys.readouterr().err


@pytest.mark.proof
def test_the_model_gives_the_same_bits_on_a_node(nodes: Nodes, sample_articles: list[Article]) -> None:
    texts = [article.body for article in sample_articles[:48] if article.body]
    chunks, model, told = [texts[:16], texts[16:]], DenseEmbedder(), list[int]()
    there = list(nodes.engine.embed(model, chunks, told.append))
    assert told == [16, len(texts)]
    np.testing.assert_array_equal(np.vstack(there), np.vstack(list(Local(1).embed(model, chunks, told.append))))
