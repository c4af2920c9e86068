"""Whatever happens to a file's bytes, every ID that is shown belongs to a record that says it is public.

The oracle reads the damaged bytes itself, by regular expressions and the standard library's JSON, in every encoding
that they may be in. What it cannot see, nobody can: a cut that takes away a record's status together with the end of
the record, so that the next one's status follows, leaves bytes in which the wrong status stands there in good order.
Such IDs are counted: `silently_public`.
"""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Iterator
from html import escape
from typing import Any

import pytest
from constants import ROOT

from index.article import Article
from index.sources import Tally, UnreadableSource, read_input
from index.sources.opening import stream

REPORTS = ROOT / "tests" / "reports"
FILES = (
    "02_rest_protected.json", "02_wxr_protected.xml", "03_wxr_control.xml", "03b_wxr_control_draft.xml",
    "08_trash.jsonl", "09_polylang.xml", "16_wxr_types.xml",
)  # fmt: skip
NOT_PUBLIC = {  # in the files as they are
    "02_rest_protected.json": {"12"},
    "02_wxr_protected.xml": {"12"},
    "03b_wxr_control_draft.xml": {"22"},
    "08_trash.jsonl": {"culvert-1", "culvert-2"},
    "16_wxr_types.xml": {str(number) for number in range(2, 15)},
}
ENCODINGS = ("utf-16", "latin-1", "utf-8-sig", "utf-16-le", "utf-16-be")
CI, PROOF = 50, 2_000
MOST_SILENT = 0.02  # of the mutations of a file: a cut must begin and end at the right places
ARTICLES = ("post", "article", "news", "story")
PUBLIC = {"publish", "published", "live", "public", "active"}


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three pieces cut out or doubled, or all of them in another encoding."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.choice((1, 1, 2, 5, 20, 100, 500, len(content))))
        match chance.choice(("cut", "double", "encode")):
            case "cut":
                content = content[:start] + content[end:]
            case "double":
                content = content[:end] + content[start:]
            case "encode":
                text = content.decode("utf-8", "replace")
                content = text.encode(chance.choice(ENCODINGS), "ignore")
    return content


def decodings(content: bytes) -> Iterator[str]:
    """The text in each encoding that it may be in, without what XML forbids."""
    for encoding in ("utf-8", "cp1252", "utf-16", "utf-16-le", "utf-16-be"):
        yield re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", content.decode(encoding, "replace"))


def field(item: str, name: str) -> list[str]:
    """What an item says under a name, each time that it does."""
    return [each.strip() for each in re.findall(rf"<wp:{name}\s*>(.*?)</wp:{name}\s*>", item, re.DOTALL)]


def public_of_export(text: str) -> Iterator[str]:
    """The IDs of the items that have one status, type and at most one password, and are public by these."""
    text = re.sub(r"<!\[CDATA\[(.*?)\]\]>", lambda section: escape(section[1]), text, flags=re.DOTALL)
    for part in re.split(r"<item[\s>]", text)[1:]:
        item = part.partition("</item>")[0]
        ids, states, kinds = (field(item, each) for each in ("post_id", "status", "post_type"))
        once = len(ids) == len(states) == len(kinds) == 1
        if once and states[0].lower() in PUBLIC and kinds[0] in ARTICLES and not any(field(item, "post_password")):
            yield ids[0]


def public_of_json(text: str) -> Iterator[str]:
    """The IDs of the records, one a line or all in a list, that nothing in them says are not public.

    Where no record of the file states a status, one without is public: the documented default.
    """
    records: list[dict[str, Any]] = []
    for part in (text, *text.splitlines()):
        try:
            found = json.loads(part.lstrip("\ufeff"), strict=False)
        except (ValueError, RecursionError):
            continue
        records += [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]
    default = None if any("status" in each for each in records) else "published"
    yield from (str(each.get("id", each.get("slug"))) for each in records if is_public(each, default))


def is_public(record: dict[str, Any], default: str | None) -> bool:
    state, kind = str(record.get("status", default)).strip().lower(), record.get("type", "post")
    return state in PUBLIC and kind in ARTICLES and '"protected": true' not in json.dumps(record)


def shown(name: str, content: bytes) -> list[str]:
    try:
        records = list(read_input(stream(io.BytesIO(content), name), Tally()))
    except UnreadableSource:
        return []
    return [each.id for each in records if isinstance(each, Article) and each.status == "published"]


def checked(name: str, mutations: int) -> tuple[int, int]:
    """How many IDs were shown in all mutations of a file, and how many of them `silently_public`."""
    content, seen, silently_public = (REPORTS / name).read_bytes(), 0, 0
    oracle = public_of_export if name.endswith(".xml") else public_of_json
    for number in range(mutations):
        damaged = mutated(content, random.Random(f"{name} {number}"))
        found = shown(name, damaged)
        public = {each for text in decodings(damaged) for each in oracle(text)} if found else set()
        assert set(found) <= public, (number, damaged)
        seen += len(found)
        silently_public += not NOT_PUBLIC.get(name, set()).isdisjoint(found)
    assert silently_public <= MOST_SILENT * mutations
    return seen, silently_public


def test_the_oracle_knows_who_is_public_in_the_files_as_they_are() -> None:
    for name in FILES:
        content = (REPORTS / name).read_bytes()
        found = shown(name, content)
        assert found
        assert NOT_PUBLIC.get(name, set()).isdisjoint(found)
        oracle = public_of_export if name.endswith(".xml") else public_of_json
        assert set(found) == set(oracle(content.decode("utf-8", "replace")))


@pytest.mark.parametrize("name", FILES)
def test_of_a_damaged_file_only_records_that_say_they_are_public_are_shown(name: str) -> None:
    seen, _ = checked(name, CI)
    assert seen > CI // 10


@pytest.mark.proof
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", FILES)
def test_of_a_file_damaged_2_000_times_only_records_that_say_they_are_public_are_shown(name: str) -> None:
    print(name, checked(name, PROOF))
