"""An event log with everything in it that may come: a generator of lines, and how they are dealt out to files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from event_oracle import DAY
from experiment_log import TEST

BEGIN, END = 1_795_132_800, 1_795_737_600  # 20 and 27 November 2026
MIDNIGHTS = [BEGIN - 14 * DAY, BEGIN - 0.001, BEGIN, BEGIN + DAY, END - 0.001, END]
UNITS = ["", "u/1", "ünit 2", "読者", 'a"b\\c', "u\u2028x", "nul\0", "🗞", *(f"u{n}" for n in range(30))]
ARTICLES = ["news/1", "/lead", "sport", "news/ümlaut/2", "読/3"]
FIGURES = ("same_section", "age_days", "diversity", "duplicates")
BROKEN = [
    b"\xff\xfe\x00\x80", b"nonsense", b"[1, 2]", b'[{"kind": "view"}]', b"null", b"17", b'"view"',
    b"{'kind': 'view'}", b'{"kind": "\xff"}',
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"[" * 3_000 + b"]" * 3_000, b"\0" * 64, b'{"at": 1, "list_id": "l"}',
    b'{"kind": null, "at": 1}', b'{"kind": "view", "at": 17', b'{"kind": "view"}{"kind": "view"}',
    b'{"kind": "view", "list_id": "\\ud800"}', b'{"kind": "view", "list_id": "a\0b"}', b'{"Kind": "view"}',
]  # fmt: skip
BLANK = [b"", b"  ", b"\t", b"\r"]
WRONG: list[dict[str, Any]] = [
    {"kind": "ping"}, {"kind": 7}, {"kind": ["view"]}, {"kind": ""}, {"at": None}, {"at": "noon"}, {"at": [1]},
    {"at": 1e300}, {"at": 10**40}, {"at": math.nan}, {"at": math.inf}, {"list_id": None}, {"article_id": None},
    {"block": None}, {"policy": None}, {"unit": None, "clicked_id": None}, {"items": "abc"}, {"items": {"id": 1}},
    {"quarantine": "late"}, {"quarantine": "future"}, {"quarantine": "early"}, {"quarantine": "accepted"},
    {"quarantine": ""}, {"quarantine": {"why": "late"}},
]  # fmt: skip
Line = bytes


def line(record: dict[str, Any]) -> Line:
    return json.dumps(record, ensure_ascii=False).encode()


def shown(unit: str, list_id: str, at: float, variant: str | None, **more: Any) -> dict[str, Any]:
    return {
        "kind": "exposure", "at": at, "list_id": list_id, "unit": unit, "article_id": "news/1", "block": "default",
        "policy": "related", "experiment": TEST.key if variant else None, "variant": variant, "took_ms": 2.5,
        "same_section": 0.4, "age_days": 12.5, "diversity": 0.25, "duplicates": 0, "fallback_used": False,
        "items": [{"id": "s1", "team": None}, {"id": "s2", "team": None}],
    } | more  # fmt: skip


def report(kind: str, of: dict[str, Any], at: float, **more: Any) -> dict[str, Any]:
    told = {name: of[name] for name in ("list_id", "article_id", "block", "policy", "experiment", "variant")}
    return {"kind": kind, "at": at, "occurred_at": at, **told, "served_at": of["at"], "quarantine": None} | more


def nasty_lines(seed: int, lists: int = 700) -> list[Line]:
    """Whatever may come: of every list what follows it or does not, in any order, with faults all over."""
    draw = np.random.default_rng(seed)
    arms = {unit: pick(draw, ["control", "fresh"]) for unit in UNITS}
    lines = [each for n in range(lists) for record in a_list(draw, n, arms) for each in repeated(draw, record)]
    for reason, count in [*[("expired", 2), ("ü", 1)] * 5, ("x", None), ("x", 2**31), ("x", "few"), (None, 1)]:
        lines.append(line({"kind": "refused", "at": BEGIN, "reason": reason, "count": count}))
    lines += [*BROKEN, *BLANK]
    return [lines[at] for at in draw.permutation(len(lines))]


def pick(draw: np.random.Generator, choices: Sequence[Any]) -> Any:
    return choices[int(draw.integers(len(choices)))]


def a_list(draw: np.random.Generator, n: int, arms: Mapping[str, str]) -> list[dict[str, Any]]:
    """A list, or none, and what is reported of it. The units u2 and u3 are in both arms, u3 is put there."""
    unit = pick(draw, UNITS)
    at = pick(draw, MIDNIGHTS) if draw.random() < 0.1 else BEGIN + DAY * float(draw.uniform(-17, 9))
    arm = arms[unit] if draw.random() < 0.96 else pick(draw, ["control", "renamed", "renamed", None])
    arm = ("control", "fresh")[n % 2] if unit in ("u2", "u3") else arm
    figures = {name: pick(draw, [None, 0.5, 3, 0.125, "much"]) for name in FIGURES}
    of = shown(
        unit, f"l/{n}", at, arm if at > BEGIN - DAY else None, article_id=pick(draw, ARTICLES),
        items=[{"id": pick(draw, ["s1", "s2", "ü/3"]), "team": None} for _ in range(draw.integers(0, 4))],
        block=pick(draw, ["default", "aside"]), override=True if unit == "u3" else pick(draw, [False, None, "xyz"]),
        took_ms=pick(draw, [None, 1.5, 2.0, 9.25, 1e300]), fallback_used=pick(draw, [True, False, None]), **figures,
    )  # fmt: skip
    clicks = [f"s{clicked}" for clicked in range(draw.integers(0, 4))]
    later = (at + float(draw.uniform(-9, DAY)) for _ in range(9))
    return [
        *[of] * (draw.random() < 0.93),
        *[report("view", of, next(later), clicked_id=pick(draw, [None, "s1"]))] * (draw.random() < 0.7),
        *(report("click", of, next(later), clicked_id=clicked) for clicked in clicks),
    ]


def repeated(draw: np.random.Generator, record: dict[str, Any]) -> list[Line]:
    """The record, at times again: to the letter, at another time, or with something wrong."""
    other = record | {"at": record["at"] + float(draw.uniform(-100, 2 * DAY))}
    wrong = record | {"at": record["at"] + 1} | pick(draw, WRONG)
    again = [(record, 0.05), (other, 0.08), (wrong, 0.08)]
    return [line(record), *(line(each) for each, share in again if draw.random() < share)]


def bot_lines() -> list[Line]:
    """Two bots before the test and one on the day after it, and readers who only just are none."""
    found: list[dict[str, Any]] = []
    for unit, lists, clicks, day in [
        ("lists", 1_001, 0, -2), ("clicks", 51, 2, -14), ("after", 51, 2, 7), ("few lists", 1_000, 0, 3),
        ("few clicks", 50, 2, 2), ("too early", 51, 2, -15), ("too late", 51, 2, 8),
    ]:  # fmt: skip
        found += [shown(unit, f"{unit} at {at}", at, "fresh") for at in (BEGIN + DAY, END - 9)]
        for n in range(lists):
            of = shown(unit, f"{unit} {n}", BEGIN + (day if unit != "after" else 6) * DAY + n, None)
            found += [of, *(report("click", of, BEGIN + day * DAY + n, clicked_id=f"s{at}") for at in range(clicks))]
    return [line(each) for each in found]


def write(lines: Sequence[Line], folder: Path, files: int = 1, torn: Sequence[bytes] = ()) -> Path:
    """The lines dealt out to so many files, an empty one, and files with torn ends."""
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(files):
        (folder / f"20261120T00000{at}-1-abcd.jsonl").write_bytes(b"".join(each + b"\n" for each in lines[at::files]))
    (folder / "20261121T000000-1-abcd.jsonl").touch()
    for at, end in enumerate(torn):
        whole = line(report("view", shown("u1", f"torn {at}", BEGIN, "fresh"), BEGIN)) + b"\n" if at % 2 else b""
        (folder / f"20261122T00000{at}-1-abcd.jsonl").write_bytes(whole + end)
    return folder
