"""Snapshots damaged in every way that disks and people know: found before a reader sees it, the one before serves."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from constants import NOW
from flask.testing import FlaskClient
from hashing_embedder import HashingEmbedder
from newsroom import catalogue_of

from index.article import Article
from index.build import rebuild
from index.live.snapshot_searcher import Searcher
from index.publishing.store import Store
from index.snapshot import manifest, mapped_file
from index.snapshot.manifest import DamagedSnapshot
from index.snapshot.reader import Snapshot
from service.app import create_app
from service.config import Settings

pytestmark = pytest.mark.usefixtures("search_answers")

Lists = dict[str, Any]


class Installation:
    """Two snapshots, the newer one to be damaged, and what each of them answers."""

    def __init__(self, folder: Path, articles: list[Article]) -> None:
        self.store, self.ids = Store(folder / "store"), [each.id for each in articles[7:]]
        self.old = rebuild(articles[7:], self.store, HashingEmbedder(), NOW).snapshot_id
        self.new = rebuild(articles, self.store, HashingEmbedder(), NOW).snapshot_id
        self.client = self.worker()
        self.truth: dict[str, Lists] = {}
        for name in (self.old, self.new):
            self.point(name)
            self.truth[name] = {each: self.asked(each) for each in self.ids}

    def worker(self) -> FlaskClient:
        settings = Settings(store=self.store.root, live="off", events="off", refresh_seconds=3_600)
        return create_app(settings, clock=lambda: NOW).test_client()

    def point(self, name: str) -> None:
        (self.store.channels / "default").write_text(f"{name}\n")
        catalogue_of(self.client).refresh()

    def asked(self, article_id: str) -> Any:
        found = self.client.get("/v1/related", query_string={"id": article_id}).get_json()
        return found.get("snapshot_id"), found.get("items", found.get("code"))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article]) -> Installation:
    return Installation(tmp_path_factory.mktemp("eager"), sample_articles)


@pytest.fixture
def by_block(tmp_path: Path, sample_articles: list[Article], monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Every file so large for its time that its blocks are read when a reader asks for them."""
    for module in (manifest, mapped_file):
        monkeypatch.setattr(module, "EAGER_BYTES", 0)
        monkeypatch.setattr(module, "BLOCK_BYTES", 512)
    return Installation(tmp_path, sample_articles)


def bit_flip(raw: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]


def zeroed_page(raw: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw)) // 4096 * 4096
    return raw[:at] + bytes(len(raw[at : at + 4096])) + raw[at + 4096 :]


def cut(raw: bytes, chance: random.Random) -> bytes:
    return raw[: chance.randrange(len(raw))]


def lengthened(raw: bytes, chance: random.Random) -> bytes:
    return raw + chance.randbytes(chance.randrange(1, 50))


WAYS = {"bit flip": bit_flip, "zeroed 4 kB": zeroed_page, "truncation": cut, "lengthened": lengthened}
BY_BLOCK = ["neighbours.features.npy", "neighbours.rows.npy", "sketches.npy", "teasers.jsonl"]
OTHERS = ("missing file", "file of the other snapshot", "another format", "manifest of the other snapshot")


class Damage:
    """One damage of the newer snapshot; `undo` puts back what was there. New files: who has mapped one keeps it."""

    def __init__(self, installation: Installation, chance: random.Random, by_block: bool = False) -> None:
        self.directory = installation.store.directory(installation.new)
        self.other = installation.store.directory(installation.old)
        self.way = chance.choice(("bit flip", "zeroed 4 kB") if by_block else (*WAYS, *OTHERS))
        names = BY_BLOCK if by_block else sorted(each.name for each in self.directory.iterdir())
        if self.way in ("another format", "manifest of the other snapshot"):
            names = ["manifest.json", "manifest.sha256"]
        else:
            names = [chance.choice(names)]
        self.files = {name: (self.directory / name).read_bytes() for name in names}
        self.name = names[0]
        self.done = self._do(chance)

    def _do(self, chance: random.Random) -> bool:
        """False where nothing has changed: what was there was no other."""
        if self.way == "missing file":
            (self.directory / self.name).unlink()
        elif self.way == "another format":
            text = self.files["manifest.json"].replace(b'"format": 2', b'"format": %d' % chance.choice((0, 3, 10)))
            self._put("manifest.json", text)
            self._put("manifest.sha256", hashlib.sha256(text).hexdigest().encode() + b"\n")
        elif self.way == "manifest of the other snapshot":
            for name in self.files:
                self._put(name, (self.other / name).read_bytes())
        elif self.way == "file of the other snapshot":
            self._put(self.name, (self.other / self.name).read_bytes())
        elif self.files[self.name]:
            self._put(self.name, WAYS[self.way](self.files[self.name], chance))
        return {name: self._now(name) for name in self.files} != self.files

    def undo(self) -> None:
        for name, raw in self.files.items():
            self._put(name, raw)

    def _put(self, name: str, raw: bytes) -> None:
        (self.directory / name).unlink(missing_ok=True)
        (self.directory / name).write_bytes(raw)

    def _now(self, name: str) -> bytes | None:
        path = self.directory / name
        return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("trials", [200, pytest.param(8_000, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])])
def test_every_damage_is_found_before_it_serves_and_the_one_before_serves_on(
    trials: int, installation: Installation
) -> None:
    chance, found = random.Random(17), Counter[str]()
    while found.total() < trials:
        installation.point(installation.old)
        damage = Damage(installation, chance)
        if damage.done:
            installation.point(installation.new)
            article_id = chance.choice(installation.ids)
            state = installation.client.get("/readyz").get_json()
            served = installation.asked(article_id)
            if state["status"] == "degraded":
                assert served == installation.truth[installation.old][article_id]
                assert state["reason"].startswith(f"snapshot {installation.new} is damaged: "), state
                found[f"{damage.way}: by the worker"] += 1
            else:  # what no lookup reads, the search process checks before it reads it
                assert served == installation.truth[installation.new][article_id], (damage.way, damage.name)
                with pytest.raises(DamagedSnapshot, match=damage.name):
                    Searcher(Snapshot.open(damage.directory))
                found[f"{damage.way}: by the search process"] += 1
        damage.undo()
    print(dict(sorted(found.items())))
    assert {each.partition(":")[0] for each in found} == {*WAYS, *OTHERS}
    installation.point(installation.old)
    installation.point(installation.new)  # all put back: it serves
    assert installation.client.get("/readyz").get_json()["status"] == "ready"


@pytest.mark.parametrize("trials", [15, pytest.param(2_000, marks=[pytest.mark.proof, pytest.mark.timeout(3_600)])])
def test_a_damaged_block_of_a_large_file_costs_one_request_a_retry_and_answers_nobody(
    trials: int, by_block: Installation
) -> None:
    chance, found = random.Random(19), Counter[str]()
    while found.total() < trials:
        by_block.point(by_block.old)
        damage = Damage(by_block, chance, by_block=True)
        if damage.done:
            by_block.point(by_block.new)
            turned_away = 0
            for article_id in by_block.ids:
                served = by_block.asked(article_id)
                if served == (None, "no_snapshot"):  # who meets the damage is asked to come back
                    turned_away, served = turned_away + 1, by_block.asked(article_id)
                assert served in [truth[article_id] for truth in by_block.truth.values()], (damage.way, damage.name)
            assert turned_away <= 1
            degraded = by_block.client.get("/readyz").get_json()["status"] == "degraded"
            found[f"{damage.name}: {'found' if degraded else 'not read'}"] += 1
        damage.undo()
        by_block.client = by_block.worker()
    print(dict(sorted(found.items())))
    assert sum(found[f"{name}: found"] for name in BY_BLOCK) > trials / 2
