"""Measure how fast sources are read, and whether memory stays constant.

    python scripts/benchmarks/bench_sources.py [--records 1000000] [--pages DIR] [--copies 20] [--jobs 2]

Writes synthetic JSON Lines (about 1 kB a record), reads them as a rebuild does, and tells records a second and the
peak of the memory at a tenth and at the whole. With --pages, a folder of saved pages, reads each page COPIES times
through scripts/import_articles.py in JOBS processes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from index.article import Article
from index.sources import read_source

BODY = "The ferry broke down in the middle of the river and a tug of the council had to help. " * 8


def main() -> int:
    """Run the benchmark."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        _lines(Path(scratch), options.records)
        if options.pages:
            _pages(Path(scratch), options.pages, options.copies, options.jobs)
    return 0


def _lines(folder: Path, records: int) -> None:
    path = folder / "records.jsonl"
    for count in (records // 10, records):
        with path.open("wb") as file:
            file.writelines(msgspec.json.encode(_record(number)) + b"\n" for number in range(count))
        started, busy = time.perf_counter(), time.process_time()
        read = sum(isinstance(each, Article) for each in read_source(path))
        spent, busy = time.perf_counter() - started, time.process_time() - busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        speed = f"{read / spent:,.0f} a second, {read / busy:,.0f} a second of one processor"
        print(f"JSON Lines: {read:,} in {spent:.1f} s, {speed}, peak memory {peak:.0f} MB")


def _record(number: int) -> dict[str, object]:
    return {
        "id": f"news/{number}",
        "url": f"https://courier.example/news/{number}",
        "title": f"Ferry {number} breaks down",
        "description": f"A tug had to help the ferry for the {number}th time",
        "body": f"{BODY}{number}",
        "published": "2026-03-02T07:30:00Z",
        "authors": ["Ada Quill"],
        "section": "news",
    }


def _pages(scratch: Path, pages: Path, copies: int, jobs: int) -> None:
    folder = scratch / "pages"
    folder.mkdir()
    files = [path for path in sorted(pages.iterdir()) if path.is_file()]
    for copy in range(copies):
        for each in files:
            (folder / f"{copy:03}-{each.name}").write_bytes(each.read_bytes())
    script = Path(__file__).parents[1] / "import_articles.py"
    command = [sys.executable, str(script), "--source", str(folder), "--dry-run", "--quiet", "--jobs", str(jobs)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    spent = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole, busy = copies * len(files), used.ru_utime + used.ru_stime
    speed = f"{whole / spent:.1f} a second, {whole / busy:.1f} a second of one processor"
    print(f"pages: {whole:,} in {spent:.1f} s with the start of {jobs} processes, {speed}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--records", type=int, default=1_000_000, metavar="N", help="records of JSON Lines (default: %(default)s)")
    add("--pages", type=Path, metavar="DIR", help="saved pages")
    add("--copies", type=int, default=20, metavar="N", help="times that each page is read (default: %(default)s)")
    add("--jobs", type=int, default=2, metavar="N", help="processes for pages (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
