"""Snapshots copied by way of an object store that speaks S3; `pip install s3fs 'moto[server]'`, else skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hashing_embedder import HashingEmbedder

from index.article import Article
from index.build import rebuild
from index.publishing.remote import Remote
from index.publishing.replication import pull, push
from index.publishing.store import Store, UnknownSnapshot

pytestmark = [pytest.mark.proof, pytest.mark.filterwarnings("default")]  # of botocore and moto, none of ours

NOW = 1_790_000_000
URL = "s3://newsroom/stories"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket's folder on a server of its own."""
    s3fs, moto = pytest.importorskip("s3fs"), pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}
    for name, value in {**given, "DEFAULT_REGION": "us-east-1", "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("newsroom")
    yield URL
    server.stop()


def test_two_machines_serve_what_an_object_store_holds(
    bucket: str, tmp_path: Path, sample_articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.publishing.replication.PART_BYTES", 50_000)
    source, remote = Store(tmp_path / "source"), Remote(bucket)
    machines = [Store(tmp_path / name) for name in ("one", "other")]

    def heard(*_: Any) -> None:
        """Shows nothing."""

    with pytest.raises(UnknownSnapshot):
        pull(remote, machines[0], "default", 1, heard)
    for later in range(3):
        built = rebuild(sample_articles, source, HashingEmbedder(), NOW + later).snapshot_id
        assert push(source, remote, "default", 2, heard) == built
        assert push(source, remote, "default", 2, heard) is None
        for machine in machines:
            assert pull(remote, machine, "default", 1, heard) == built
            assert machine.snapshot_ids() == [built]
            for path in source.directory(built).iterdir():
                assert (machine.directory(built) / path.name).read_bytes() == path.read_bytes()
    assert remote.names("snapshots") == source.snapshot_ids()[-2:]
