"""Chroma, asked over HTTP by wrk."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.peers.asked import ASKED, Asked, AskedByWrk, asked, stopped_at_the_end, until_healthy
from scripts.benchmarks.peers.vectors import Vectors
from scripts.tools.server_process import free_port

BODIES = 500  # different questions that wrk puts to Chroma, which takes no ID of a stored vector
POSTED = """\
math.randomseed(os.time())
local bodies = {{}}
for line in io.lines("{bodies}") do bodies[#bodies + 1] = line end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function() return wrk.format(nil, nil, nil, bodies[math.random(#bodies)]) end
"""


class Chroma:
    """Its HNSW graph with defaults. It finds by a vector alone: the questions carry theirs, some 500 in turn."""

    name = "Chroma"
    in_process = False

    def __init__(self, program: str | None) -> None:
        """`program`: chroma, in an environment of its own; None to look for it."""
        self._program = program or shutil.which("chroma")

    def missing(self) -> str | None:
        """The package chromadb has many dependencies; best apart from ours."""
        return "chroma (of chromadb; --chroma PROGRAM)" if self._program is None else None

    @contextmanager
    def serving(self, vectors: Vectors, folder: Path) -> Iterator[Asked]:
        """A server of one node."""
        port = free_port()
        command = [str(self._program), "run", "--path", str(folder / "chroma"), "--host", "127.0.0.1"]
        root = f"http://127.0.0.1:{port}/api/v2"
        with stopped_at_the_end([*command, "--port", str(port)], port, folder):
            until_healthy(f"{root}/heartbeat")
            collections = f"{root}/tenants/default_tenant/databases/default_database/collections"
            space = {"hnsw": {"space": "ip"}}
            url = f"{collections}/{asked(collections, {'name': 'articles', 'configuration': space})['id']}"
            for start in range(0, len(vectors.rows), 1_000):
                rows = vectors.rows[start : start + 1_000].tolist()
                asked(f"{url}/add", {"ids": [str(start + at) for at in range(len(rows))], "embeddings": rows})
            draw = np.random.default_rng(3).integers(0, len(vectors.rows), BODIES)
            bodies, script = folder / "bodies.jsonl", folder / "chroma.lua"
            bodies.write_text("".join(json.dumps(_question(vectors, row)) + "\n" for row in draw))
            script.write_text(POSTED.format(bodies=bodies))
            told = subprocess.run([str(self._program), "--version"], check=True, capture_output=True, text=True)
            yield AskedChroma(told.stdout.strip(), f"{url}/query", script, vectors)


class AskedChroma(AskedByWrk):
    """See `Chroma`."""

    def __init__(self, told: str, url: str, script: Path, vectors: Vectors) -> None:
        super().__init__(told, url, script)
        self._vectors = vectors

    def found(self, row: int) -> list[int]:
        """See `Asked`."""
        return [int(each) for each in asked(self.url, _question(self._vectors, row))["ids"][0]]


def _question(vectors: Vectors, row: int) -> dict[str, Any]:
    return {"query_embeddings": [vectors.rows[row].tolist()], "n_results": ASKED, "include": []}
