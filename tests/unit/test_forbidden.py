"""What may stand nowhere in the code, and why where it does; and canaries under the name of every artefact."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import pickle
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import pytest
from constants import NOW, ROOT
from hashing_embedder import HashingEmbedder
from newsroom import Newsroom, catalogue_of, story

from index.article import Article
from index.build import RebuildOptions, rebuild
from index.embedding.vector_cache import VectorCache
from index.live.snapshot_searcher import Searcher
from index.publishing.previous import Previous
from index.publishing.store import Store
from index.snapshot.manifest import describe_file
from index.snapshot.reader import Snapshot

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
CALLS = {"torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pandas.read_pickle", "pd.read_pickle",
         "os.system", "os.popen", "eval", "exec"}  # fmt: skip
NAMES = {"render_template_string", "Markup", "from_string"}
ARGUMENTS = {"allow_pickle": True, "shell": True, "debug": True, "weights_only": False, "trust_remote_code": True,
             "autoescape": False, "verify": False}  # fmt: skip
ALLOWED = {  # (file, what): why
    (
        "index/execution/ray_executor.py",
        "pickle",
    ): "carries the embedder from the build to its own tasks in memory, reads no file",
}


def forbidden(source: str) -> Iterator[str]:
    """What a program does that it may not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] in MODULES:
                yield str(node.module)
            yield from (each.name for each in node.names if each.name in NAMES)
        elif isinstance(node, ast.Attribute) and node.attr in NAMES:
            yield node.attr
        elif isinstance(node, ast.Call):
            if (name := ast.unparse(node.func)) in CALLS:
                yield name
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if value is not None and value is ARGUMENTS.get(keyword.arg or ""):
                    yield f"{keyword.arg}={value}"
            if name in ("np.load", "numpy.load") and not any(each.arg == "allow_pickle" for each in node.keywords):
                yield f"{name} without allow_pickle=False"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import joblib", "joblib"),
        ("from sklearn.externals import joblib\nfrom joblib import load", "joblib"),
        ("import pickle as p", "pickle"),
        ("torch.load(path)", "torch.load"),
        ("np.load(path, allow_pickle=True)", "allow_pickle=True"),
        ("np.load(path)", "np.load without allow_pickle=False"),
        ("flask.render_template_string(text)", "render_template_string"),
        ("from markupsafe import Markup", "Markup"),
        ("yaml.load(text)", "yaml.load"),
        ("subprocess.run(command, shell=True)", "shell=True"),
        ("app.run(debug=True)", "debug=True"),
    ],
)
def test_the_gate_knows_each_of_them(source: str, what: str) -> None:
    assert what in forbidden(source)


def test_nothing_in_the_code_unpickles_or_runs_what_it_reads() -> None:
    found = {
        (str(path.relative_to(ROOT)), what)
        for part in ("index", "service", "scripts")
        for path in sorted((ROOT / part).rglob("*.py"))
        for what in forbidden(path.read_text("utf-8"))
    }
    assert found <= set(ALLOWED), "name it in ALLOWED with the reason, or do without"


class Canary:
    """Unpickled, it leaves a folder behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def canaries(folder: Path) -> dict[str, bytes]:
    """The same canary as a pickle, and inside an npy file."""
    npy = BytesIO()
    np.lib.format.write_array(npy, np.array([Canary(folder)], object), allow_pickle=True)
    return {"pickle": pickle.dumps(Canary(folder)), "npy": npy.getvalue()}


def test_a_canary_sings_when_it_is_unpickled(tmp_path: Path) -> None:
    pickle.loads(canaries(tmp_path / "sung")["pickle"])  # noqa: S301 - the canary is what is tested
    assert (tmp_path / "sung").is_dir()


def plant(directory: Path, name: str, canary: bytes) -> None:
    """Put a canary in the place of a file of a snapshot, as somebody would who can write the manifest as well."""
    (directory / name).write_bytes(canary)
    if name.startswith("manifest"):
        return
    manifest = msgspec.json.decode((directory / "manifest.json").read_bytes())
    manifest["files"][name] = msgspec.to_builtins(describe_file(directory / name))
    text = msgspec.json.encode(manifest)
    (directory / "manifest.json").write_bytes(text)
    (directory / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest() + "\n")


def read_everything(store: Store, snapshot_id: str, articles: list[Article], name: str) -> None:
    """All that reads a snapshot: a worker, the search process, the next build."""
    directory = store.directory(snapshot_id)

    def search() -> None:
        searcher = Searcher(Snapshot.open(directory))
        searcher.similar_rows(0, 5)
        searcher.records[0]

    def go_on() -> None:
        previous = Previous(Snapshot.open(directory))
        assert previous.articles
        assert previous.table
        assert previous.cluster_ids("events")

    def build() -> None:
        rebuild(articles, store, HashingEmbedder(), NOW + 5, RebuildOptions(force=True, keep=100))

    builds = (
        [build] if name.startswith(("lexical", "articles", "tfidf", "headlines")) else []
    )  # what the next one keeps
    for reads in (lambda: Snapshot.open(directory).terms(0), search, go_on, *builds):
        with contextlib.suppress(Exception):  # whatever it says, it must not have run what it read
            reads()


def test_no_canary_under_the_name_of_a_snapshots_file_is_ever_run(
    store: Store, tmp_path: Path, sample_articles: list[Article]
) -> None:
    articles = sample_articles[:12]
    snapshot_id = rebuild(articles, store, HashingEmbedder(), NOW).snapshot_id
    directory, sung = store.directory(snapshot_id), tmp_path / "sung"
    good = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert len(good) > 30
    for name in good:
        plant(directory, name, canaries(sung)["npy" if name.endswith(".npy") else "pickle"])
        read_everything(store, snapshot_id, articles, name)
        assert not sung.exists(), name
        for each, raw in good.items():
            (directory / each).write_bytes(raw)
        (store.channels / "default").write_text(f"{snapshot_id}\n")


@pytest.mark.parametrize("form", ["pickle", "npy"])
def test_no_canary_under_the_name_of_any_other_file_is_ever_run(form: str, tmp_path: Path) -> None:
    newsroom, sung = Newsroom(tmp_path), tmp_path / "sung"
    newsroom.rebuild([story(f"a{n}", "ferry river crossing", 1 + n) for n in range(9)])
    assert newsroom.list_of("a2", fallback="recent")["items"]
    newsroom.live.withdraw("a1", by="d", at=NOW, note="", expected=None, snapshot_version=None, known=True)
    catalogue_of(newsroom.client).catch_up()
    newsroom.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.parent.name != "snapshots"]
    assert {"live.db", "keys.toml", "default", "live.last.json"} <= {path.name for path in files}
    events = newsroom.store.root / "events"
    events.mkdir(exist_ok=True)
    files += [events / "token.secret", events / "20261124T090000-1-abcd.jsonl"]
    for path in files:
        good = path.read_bytes() if path.exists() else None
        path.write_bytes(canaries(sung)[form])
        with contextlib.suppress(Exception):
            VectorCache(newsroom.store.root / "cache", "hashing-64", 64)
            client = newsroom.worker()
            client.get("/v1/related?id=a2&unit=reader")
            catalogue_of(client).catch_up()
        assert not sung.exists(), path
        path.unlink(missing_ok=True)
        if good is not None:
            path.write_bytes(good)
    newsroom.close()
