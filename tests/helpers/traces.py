"""What an erased article may have left on disk."""

from __future__ import annotations

from pathlib import Path

import zstandard


def files_that_say(folder: Path, word: str) -> list[str]:
    """Files below a folder that hold a word, in any case, compressed or not."""
    found = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        raw = path.read_bytes()
        if path.suffix == ".zst":
            raw = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
        if word.lower().encode() in raw.lower():
            found.append(path.name)
    return found
