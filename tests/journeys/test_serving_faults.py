"""Thirty faults, as an operator meets them: what readers get then is declared, never a 500, never silently empty."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient
from newsroom import EDITOR, WRITER, Newsroom, catalogue_of, story, with_key

pytestmark = pytest.mark.usefixtures("search_answers")

DAY = 86_400
SOURCE = "ferry/3"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two snapshots of the same two storylines."""
    folder = tmp_path_factory.mktemp("prepared")
    newsroom = Newsroom(folder)
    told = [("ferry", "ferry river crossing timetable", n) for n in range(12)]
    told += [("market", "market stalls cheese bread", n) for n in range(4)]
    articles = [story(f"{name}/{n}", topic, 5 + n, url=f"https://x.example/{name}/{n}") for name, topic, n in told]
    for _ in range(2):
        newsroom.rebuild(articles)
        newsroom.now += 60
    newsroom.close()
    return folder


@pytest.fixture
def newsroom(tmp_path: Path, prepared: Path) -> Iterator[Newsroom]:
    """A copy of it, with a worker; nobody searches."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    newsroom = Newsroom(tmp_path, search_socket=tmp_path / "nobody.sock", log_level="error")
    newsroom.now += 120
    yield newsroom
    newsroom.close()


class Fault(NamedTuple):
    """What happens to a store, and what is told: `serves` of a list, `readyz` of the whole."""

    name: str
    happens: Callable[[Newsroom], None]
    serves: int  # 200: a list with stories; 503: said to be away, with the time to come back
    ready: str  # ready, degraded, or away (503)


def newest(newsroom: Newsroom) -> Path:
    return newsroom.store.directory(newsroom.store.snapshot_ids()[-1])


def everywhere(action: Callable[[Path], None], name: str) -> Callable[[Newsroom], None]:
    def happens(newsroom: Newsroom) -> None:
        for snapshot in newsroom.store.snapshot_ids():
            action(newsroom.store.directory(snapshot) / name)

    return happens


def in_newest(action: Callable[[Path], None], name: str) -> Callable[[Newsroom], None]:
    return lambda newsroom: action(newest(newsroom) / name)


def flip(path: Path) -> None:
    """One bit in the middle, in a copy: what others have mapped stays as it is."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


def halve(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    path.unlink()
    path.touch()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def point_to(text: str | bytes) -> Callable[[Newsroom], None]:
    def happens(newsroom: Newsroom) -> None:
        raw = text if isinstance(text, bytes) else text.encode()
        (newsroom.store.channels / "default").write_bytes(raw)

    return happens


def live(action: Callable[[Path], None]) -> Callable[[Newsroom], None]:
    def happens(newsroom: Newsroom) -> None:
        newsroom.close()
        path = Path(newsroom.url.removeprefix("sqlite:///"))
        for each in path.parent.glob(path.name + "-*"):
            each.unlink()
        action(path)

    return happens


def late(days: float) -> Callable[[Newsroom], None]:
    def happens(newsroom: Newsroom) -> None:
        newsroom.now += int(days * DAY)

    return happens


def is_a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


def events_are_a_file(newsroom: Newsroom) -> None:
    (newsroom.store.root / "events").write_text("")


def secret_is_empty(newsroom: Newsroom) -> None:
    (newsroom.store.root / "events").mkdir()
    (newsroom.store.root / "events" / "token.secret").write_bytes(b"")


def unlink(path: Path) -> None:
    path.unlink()


def garbage(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"no file of ours \xff\x00" * 300)


FAULTS = [
    # the index, the model and the metadata of the newest snapshot: the one before it serves, and that is said
    *(Fault(f"{name} {how.__name__}", in_newest(how, name), 200, "degraded") for name, how in (
        ("manifest.json", unlink), ("manifest.json", garbage), ("manifest.json", empty), ("manifest.json", folder),
        ("teasers.jsonl", unlink), ("teasers.jsonl", halve), ("teasers.offsets.npy", flip), ("ids.npy", flip),
        ("ids.npy", unlink), ("attributes.npy", halve), ("attributes.npy", garbage), ("neighbours.rows.npy", unlink),
        ("neighbours.rows.npy", flip), ("neighbours.features.npy", halve), ("urls.npy", flip), ("urls.npy", empty),
    )),
    Fault("the newest snapshot removed", lambda newsroom: shutil.rmtree(newest(newsroom)), 200, "degraded"),
    # of all snapshots: nothing can be served, and that is said
    Fault("every manifest removed", everywhere(unlink, "manifest.json"), 503, "away"),
    Fault("every teaser file halved", everywhere(halve, "teasers.jsonl"), 503, "away"),
    Fault("the store removed", lambda newsroom: shutil.rmtree(newsroom.store.root), 503, "away"),
    # the pointer
    Fault("the pointer removed", lambda newsroom: (newsroom.store.channels / "default").unlink(), 503, "away"),
    Fault("the pointer empty", point_to(""), 503, "away"),
    Fault("the pointer to nowhere", point_to("20990101T000000Z-none"), 200, "degraded"),
    Fault("the pointer out of the store", point_to("../../etc"), 200, "degraded"),
    Fault("the pointer no text", point_to(b"\xff\xfe\x00"), 503, "away"),
    # the live store
    Fault("the live store removed", live(unlink), 200, "degraded"),
    Fault("the live store garbage", live(garbage), 200, "degraded"),
    Fault("the live store a folder", live(folder), 200, "degraded"),
    # what is written down about readers, and the clock
    Fault("no events can be written", events_are_a_file, 200, "degraded"),
    Fault("an empty secret", secret_is_empty, 200, "ready"),
    Fault("the clock a day late", late(-1), 200, "ready"),
    Fault("the clock a day early", late(1), 200, "ready"),
    # what is worse than a fault: the folder of snapshots, and the channels, are files
    Fault("the snapshots are a file", lambda newsroom: is_a_file(newsroom.store.snapshots), 503, "away"),
    Fault("the channels are a file", lambda newsroom: is_a_file(newsroom.store.channels), 503, "away"),
]  # fmt: skip


def test_there_are_thirty() -> None:
    assert len(FAULTS) >= 30
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_worker_that_starts_with_a_fault_says_so(newsroom: Newsroom, fault: Fault) -> None:
    fault.happens(newsroom)
    worker = newsroom.worker()
    check(worker, fault.serves, fault.ready)
    _nothing_is_a_500(worker)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(each, marks=[pytest.mark.proof] if at % 6 else []) for at, each in enumerate(FAULTS)],
    ids=lambda fault: fault.name,
)
def test_a_worker_that_serves_goes_on_through_a_fault(newsroom: Newsroom, fault: Fault) -> None:
    """What it holds open it goes on serving, whatever becomes of the files' names."""
    worker = newsroom.client
    assert worker.get("/v1/related", query_string={"id": SOURCE}).status_code == 200
    fault.happens(newsroom)
    catalogue = catalogue_of(worker)
    catalogue.refresh()
    catalogue.catch_up()
    check(worker, 200, None)


def test_a_live_store_that_is_removed_under_a_worker_shows_in_readyz_while_lists_go_on(newsroom: Newsroom) -> None:
    worker = newsroom.client
    check(worker, 200, "ready")
    unlink(Path(newsroom.url.removeprefix("sqlite:///")))
    catalogue_of(worker).catch_up()
    check(worker, 200, "degraded")
    assert "the live store cannot be" in worker.get("/readyz").get_json()["reason"]
    put = worker.put("/v1/article?id=new/1", json={"headline": "New"}, headers=with_key(WRITER))
    assert (put.status_code, put.get_json()["code"]) == (503, "live_store_unavailable")


def check(worker: FlaskClient, serves: int, ready: str | None) -> None:
    """Ask everything; `ready` None: any of the ways to serve."""
    for path in (
        "/v1/related?id=ferry/3", "/v1/articles/ferry/3/related", "/v1/related.html?id=ferry/3",
        "/v1/related.feed.json?id=ferry/3", "/v1/related?id=ferry/3&unit=u-1&explain=true", "/",
        "/article?id=ferry/3",
        "/v1/article?id=ferry/3",
    ):  # fmt: skip
        answer = worker.get(path)
        assert answer.status_code == serves, (path, answer.text[:300])
        if serves == 503:
            assert answer.headers["Retry-After"], path
        else:
            assert "ferry/" in answer.text.lower() or "Ferry" in answer.text, path
    if serves == 200:
        found = worker.get("/v1/related?id=ferry/3").get_json()
        assert found["items"]
        if set(found["degraded"] or ()):
            assert set(found["degraded"]) <= {"search_unavailable", "not_yet_compared"}
    told = worker.get("/readyz")
    said = "away" if told.status_code == 503 else told.get_json()["status"]
    assert said == ready or (ready is None and said in ("ready", "degraded"))
    if said == "degraded":
        assert told.get_json()["reason"]
    assert worker.get("/livez").status_code == 200
    assert worker.get("/metrics").status_code == 200


def _nothing_is_a_500(worker: FlaskClient) -> None:
    """Writes, drafts, events, lists of snapshots and every page of the console answer or say what is away."""
    editor = {"headers": with_key(EDITOR)}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/v1/snapshots", {}), ("GET", "/v1/policies", {}), ("GET", "/openapi.json", {}), ("GET", "/docs", {}),
        ("PUT", "/v1/article?id=new/1", {"json": {"headline": "New"}, "headers": with_key(WRITER)}),
        ("DELETE", "/v1/article?id=market/1", {"headers": with_key(WRITER)}),
        ("GET", "/v1/article/signals?id=ferry/3", editor),
        ("PUT", "/v1/article/signals?id=ferry/3", {**editor, "json": {"signals": []}}),
        ("POST", "/v1/related", {**editor, "json": {"headline": "A ferry"}}),
        ("POST", "/v1/related/batch", {**editor, "json": {"ids": [SOURCE, "market/2"]}}),
        ("POST", "/v1/events", {"json": {"events": [{"kind": "view", "token": "x"}]}}),
        ("POST", "/console/sign-in", {"data": {"key": EDITOR}}),
    ]  # fmt: skip
    asked += [
        ("GET", f"/console/{page}", {})
        for page in ("", "article?id=ferry/3", "compare?id=ferry/3", "draft", "storylines", "storyline?id=ferry/3",
                     "experiments", "snapshots", "health")
    ]  # fmt: skip
    for method, path, more in asked:
        answer = worker.open(path, method=method, **more)
        assert answer.status_code != 500, (method, path, answer.text[:300])
        if answer.status_code == 503:
            assert answer.is_json or "<h1>" in answer.text, path
