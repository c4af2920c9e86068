"""Render the sample newsroom, The Wendmouth Courier, to JSON Lines.

    python scripts/sample/newsroom.py --out var/sample.jsonl

Its articles (scripts/sample/*.toml) give their age in days; dates are counted back from the clock, so
that the newest story is always some hours old.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from index.article import epoch_seconds, iso_time

ARTICLES = Path(__file__).parent / "articles"
SITE = "https://courier.example/"
DAY = 86_400
KEYS = {
    "id", "days_ago", "headline", "kicker", "standfirst", "section", "tags", "authors", "type", "image", "links",
    "body", "updated_days_ago", "embargo_days_ahead", "status", "evergreen", "language", "aliases",
}  # fmt: skip
REQUIRED = {"id", "days_ago", "headline"}


def sample_articles(now: int, folder: Path = ARTICLES) -> list[dict[str, Any]]:
    """The newsroom's articles as records, as of `now` (epoch seconds).

    Raises ValueError, naming file and article, for an unknown key and for a missing one.
    """
    records = []
    for path in sorted(folder.glob("*.toml")):
        storyline = tomllib.loads(path.read_text("utf-8"))
        if storyline.keys() != {"articles"}:
            raise ValueError(f"{path.name}: must hold [[articles]] and nothing else, not {sorted(storyline)}")
        for written in storyline["articles"]:
            _check_keys(written, f"{path.name}, {written.get('id')}")
            records.append(_record(written, now))
    return records


def _check_keys(written: dict[str, Any], where: str) -> None:
    if unknown := written.keys() - KEYS:
        raise ValueError(f"{where}: unknown key {min(unknown)!r}")
    if missing := REQUIRED - written.keys():
        raise ValueError(f"{where}: {min(missing)!r} is missing")


def _record(written: dict[str, Any], now: int) -> dict[str, Any]:
    record = {key: value for key, value in written.items() if "days" not in key}
    record |= {"url": SITE + written["id"], "brand": "The Wendmouth Courier"}
    record.setdefault("language", "en")
    record["published_at"] = _moment(now, -written["days_ago"])
    if "updated_days_ago" in written:
        record["updated_at"] = _moment(now, -written["updated_days_ago"])
    if "embargo_days_ahead" in written:
        record["embargo_until"] = _moment(now, written["embargo_days_ahead"])
    return record


def _moment(now: int, days: float) -> str | None:
    return iso_time(int(now + days * DAY) // 60 * 60)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--now", metavar="TIME", help="count back from this ISO 8601 time (default: the clock)")
    options = parser.parse_args(arguments)
    try:
        now = epoch_seconds(options.now, "--now") or int(time.time())
        records = sample_articles(now)
    except ValueError as error:
        parser.error(str(error))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    print(f"{len(records)} articles of The Wendmouth Courier written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
