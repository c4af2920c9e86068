"""tantivy's more-like-this, called in this process: words instead of vectors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.peers.asked import ASKED, Asked
from scripts.benchmarks.peers.vectors import Vectors
from scripts.tools.http_load import Load


class Tantivy:
    """Its more-like-this over the real sentences: words instead of vectors, in this process."""

    name = "tantivy more-like-this, in process"
    in_process = True

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def missing(self) -> str | None:
        """Vectors that were made up have no words."""
        if find_spec("tantivy") is None:
            return "tantivy"
        return None if self._texts else "sentences (--archive PATH)"

    @contextmanager
    def serving(self, _vectors: Vectors, _folder: Path) -> Iterator[Asked]:
        """An index in memory."""
        import tantivy

        schema = tantivy.SchemaBuilder()
        schema.add_text_field("text", stored=True)
        schema.add_integer_field("row", stored=True, indexed=True)
        index = tantivy.Index(schema.build())
        writer = index.writer(num_threads=1)
        for row, text in enumerate(self._texts):
            writer.add_document(tantivy.Document(text=text, row=row))
        writer.commit()
        index.reload()
        yield AskedTantivy(tantivy, index.searcher(), len(self._texts))


class AskedTantivy:
    """See `Tantivy`."""

    client = "Python"

    def __init__(self, tantivy: Any, searcher: Any, rows: int) -> None:
        self.version = f"tantivy {version('tantivy')}, {rows:,} sentences"
        self._query, self._searcher, self._rows = tantivy.Query, searcher, rows
        self._all = [address for _, address in searcher.search(self._query.all_query(), rows).hits]

    def found(self, row: int) -> list[int]:
        """Of words alone: not to be judged by the nearest vectors."""
        address = self._all[row % self._rows]
        query = self._query.more_like_this_query(address, min_doc_frequency=1, min_term_frequency=1)
        return [self._searcher.doc(found)["row"][0] for _, found in self._searcher.search(query, ASKED).hits]

    def load(self, _connections: int, seconds: int) -> Load:
        """By one caller, whatever the connections."""
        return _rate_of(self.found, self._rows, seconds)


def _rate_of(ask: Any, rows: int, seconds: int) -> Load:
    """One caller in this process asking for rows drawn evenly."""
    draw = np.random.default_rng(2).integers(0, rows, 100_000).tolist()
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        ask(draw[len(times) % len(draw)])
        times.append(time.perf_counter() - start)
    p50, p99 = np.percentile(times, [50, 99]) * 1_000
    return Load(len(times) / (time.perf_counter() - began), float(p50), float(p99), 0)
