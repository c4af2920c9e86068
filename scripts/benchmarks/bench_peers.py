"""Related lists by ID, asked over loopback: this service beside what other engines take for nearest neighbours alone.

    python scripts/benchmarks/bench_peers.py [--rows 100000] [--archive PATH ...] [--json OUT] [--plot OUT.png]
    python scripts/benchmarks/bench_peers.py --rows 5000 --seconds 1 --rounds 1 --only stories --only pgvector    # a
    smoke test

Ours answers with a list of ten teasers, ranked and without copies, out of a table made beforehand; a peer with the
ten nearest rows to one that it holds, nothing else. All hold the same unit vectors of 384 dimensions, run with their
defaults, and take turns in each round, with 1 and with 16 connections that ask for rows drawn evenly; medians of the
rounds. Recall@10 is against exact products, of ours that of its candidate table. Each is asked by a client in C: wrk,
pgbench, redis-benchmark, the last for a number of requests that takes about as long. tantivy searches words, in this
process. What is not installed is named and left out. `--archive`: sentences of its bodies are embedded (slow; kept in
`--folder`), the rest of the rows are mixtures of them; without it all rows are made up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.bench_lookup import kernel
from scripts.benchmarks.peers.asked import Asked, K, Peer
from scripts.benchmarks.peers.chroma import Chroma
from scripts.benchmarks.peers.ours import Ours
from scripts.benchmarks.peers.pgvector import Pgvector
from scripts.benchmarks.peers.redis import Redis
from scripts.benchmarks.peers.tantivy import Tantivy
from scripts.benchmarks.peers.typesense import Typesense
from scripts.benchmarks.peers.vectors import Vectors, bench_vectors, recall
from scripts.tools.http_load import Load, combined

SAMPLE = 500  # rows that recall is measured on
CONNECTIONS = (1, 16)
GOALS = "goals: 2 x the fastest peer over 16 connections, p50 of one at or under it, recall equal or better"


def main() -> int:
    """Run the benchmark and print its table; returns the exit code: 1 when something wanted by name is missing."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = options.folder or Path(scratch)
        vectors = bench_vectors(options.rows, options.archive, options.real, folder)
        peers, missing = _present(options.only, options.chroma, vectors)
        asked: dict[Peer, Asked] = {}
        for peer in peers:
            print(f"starting {peer.name} ...", file=sys.stderr, flush=True)
            asked[peer] = stack.enter_context(peer.serving(vectors, Path(stack.enter_context(_folder()))))
        before = os.getloadavg()[0]
        found = {peer.name: _measured(peer, served, vectors, options) for peer, served in asked.items()}
        turns(asked, found, options.seconds, options.rounds)
    report = {
        "vectors": vectors.told(),
        "recall_on": f"{SAMPLE} rows",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, BLAS {kernel()}",
        "load_average": {"before": before, "after": os.getloadavg()[0]},
        "seconds": options.seconds,
        "rounds": options.rounds,
        "missing": missing,
        "systems": found,
        "against_the_fastest_peer": against_the_fastest(found),
    }
    print("\n".join(table(report)))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.plot:
        plot(report, options.plot)
    return 1 if missing and options.only else 0


def turns(asked: dict[Peer, Asked], found: dict[str, dict[str, Any]], seconds: int, rounds: int) -> None:
    """Let all take turns, `rounds` times, and add the medians to what was found."""
    runs: dict[tuple[str, int], list[Load]] = {}
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for peer, served in asked.items():
                if connections == 1 or not peer.in_process:
                    runs.setdefault((peer.name, connections), []).append(served.load(connections, seconds))
    for (name, connections), loads in runs.items():
        found[name][f"{connections} connections"] = {
            **asdict(combined(loads)),
            "requests_per_second_of_rounds": [load.requests_per_second for load in loads],
        }


def against_the_fastest(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Ours against the peer with most answers over 16 connections, and that with the lowest p50 of one."""
    peers = {name: each for name, each in found.items() if name != Ours.name and not each["in_process"]}
    if Ours.name not in found or not peers:
        return {}
    many, one = (f"{connections} connections" for connections in reversed(CONNECTIONS))
    fastest = max(peers, key=lambda name: peers[name][many]["requests_per_second"])
    quickest = min(peers, key=lambda name: peers[name][one]["p50_ms"])
    ours = found[Ours.name]
    return {
        "throughput": ours[many]["requests_per_second"] / peers[fastest][many]["requests_per_second"],
        "throughput_of": fastest,
        "p50": ours[one]["p50_ms"] / peers[quickest][one]["p50_ms"],
        "p50_of": quickest,
        "recall": ours["recall_at_10"] - max(peers[each]["recall_at_10"] for each in (fastest, quickest)),
    }


def table(report: dict[str, Any]) -> list[str]:
    """The report's lines, for people."""
    averages = report["load_average"]
    lines = [
        report["vectors"],
        report["machine"],
        f"load average {averages['before']:.1f} before, {averages['after']:.1f} after; {report['rounds']} rounds of "
        f"{report['seconds']} s; recall on {report['recall_on']}",
        f"{'':36} {'recall@10':>9} {'1: p50 ms':>10} {'p99':>7} {'16: /s':>9} {'p50':>7} {'p99':>7} {'failed':>6}",
    ]
    for name, system in report["systems"].items():
        lines += [_row(name, system), f"    {system['version']}; asked by {system['client']}"]
    lines += [f"not here: {name}: needs {what}" for name, what in report["missing"].items()]
    if against := report["against_the_fastest_peer"]:
        lines.append(
            f"ours: {against['throughput']:.2f} x the throughput of {against['throughput_of']}, "
            f"{against['p50']:.2f} x the p50 of {against['p50_of']}, recall {against['recall']:+.3f}"
        )
        lines.append(GOALS)
    return lines


def _row(name: str, system: dict[str, Any]) -> str:
    """A system's line of the table; without the load of many connections where it runs in our process."""
    one, many = (system.get(f"{connections} connections") for connections in CONNECTIONS)
    recall_at_10 = "-" if system["recall_at_10"] is None else f"{system['recall_at_10']:.3f}"
    row = f"{name:36} {recall_at_10:>9} {one['p50_ms']:10.2f} {one['p99_ms']:7.2f}"
    if many is not None:
        row += f" {many['requests_per_second']:9,.0f} {many['p50_ms']:7.2f} {many['p99_ms']:7.2f}"
        row += f" {one['failed'] + many['failed']:6}"
    return row


def plot(report: dict[str, Any], path: Path) -> None:
    """Draw answers a second over 16 connections and the p50 of one."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    names = [name for name, each in report["systems"].items() if not each["in_process"]][::-1]
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 1.5 + 0.5 * len(names)), sharey=True, layout="constrained")
    panels = (("16 connections", "requests_per_second", "answers a second, 16 connections"),
              ("1 connections", "p50_ms", "p50 of one connection, ms"))  # fmt: skip
    labels = [f"{name}\nrecall@10 {report['systems'][name]['recall_at_10']:.3f}" for name in names]
    for axis, (load, measure, title) in zip(axes, panels, strict=True):
        values = [report["systems"][name][load][measure] for name in names]
        bars = axis.barh(labels, values, color=["#b3372f" if name == Ours.name else "#8a94a0" for name in names])
        axis.bar_label(bars, fmt="{:,.0f}" if measure == "requests_per_second" else "{:.2f}", padding=3)
        axis.set_title(title, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.15)
    averages = report["load_average"]
    figure.suptitle(
        f"{report['vectors']}\nOurs: ranked, de-duplicated lists; the others: nearest rows alone. Load average "
        f"{averages['before']:.1f}-{averages['after']:.1f}",
        x=0.01,
        ha="left",
        fontsize="medium",
    )
    figure.savefig(path, dpi=120)


def _measured(peer: Peer, served: Asked, vectors: Vectors, options: argparse.Namespace) -> dict[str, Any]:
    """Its recall, after which it is warm as well."""
    rows = np.random.default_rng(1).choice(len(vectors.rows), min(SAMPLE, len(vectors.rows)), replace=False)
    found = None if peer.in_process else [served.found(row) for row in rows.tolist()]
    share = None if found is None else recall(vectors.rows, rows, found, K)
    for connections in CONNECTIONS:
        served.load(connections, min(2, options.seconds))
    return {
        "version": served.version, "client": served.client, "in_process": peer.in_process, "recall_at_10": share
    }  # fmt: skip


def _present(only: Sequence[str], chroma: str | None, vectors: Vectors) -> tuple[list[Peer], dict[str, str]]:
    peers: list[Peer] = [Ours(), Pgvector(), Redis(), Typesense(), Chroma(chroma), Tantivy(vectors.texts)]
    wanted = [peer for peer in peers if not only or any(part in peer.name for part in only)]
    missing = {peer.name: what for peer in wanted if (what := peer.missing())}
    return [peer for peer in wanted if peer.name not in missing], missing


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="peer-")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rows", type=int, default=100_000)
    add("--seconds", type=int, default=5, help="length of one run (default: %(default)s)")
    add("--rounds", type=int, default=3, help="runs of each (default: %(default)s)")
    add("--archive", type=Path, action="append", default=[], metavar="PATH", help="whose sentences are embedded")
    add(
        "--real",
        type=int,
        default=10**9,
        metavar="N",
        help="of so many sentences, the longest (default: of as many as rows)",
    )
    add("--folder", type=Path, metavar="DIR", help="keep the sentences' vectors here (default: a temporary folder)")
    add("--only", action="append", default=[], metavar="PART", help="only those whose name contains this; repeatable")
    add("--chroma", metavar="PROGRAM", help="the program chroma, where it is in an environment of its own")
    add("--json", type=Path, metavar="OUT")
    add("--plot", type=Path, metavar="OUT", help="a PNG or SVG file (needs matplotlib)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
