"""The bytes of an XML file as its parser takes them: UTF-8 without what XML forbids, piece by piece."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html.entities import html5
from io import BufferedReader

PIECE_BYTES = 1 << 16
LONGEST_REFERENCE = 40  # characters of a reference or the beginning of a tag that two pieces may divide

_FORBIDDEN = frozenset({*range(9), *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF})
_BREAKS = (0x0B, 0x0C)  # vertical tab and form feed divide words
_SPACED = bytes.maketrans(bytes(_BREAKS), b"  ")
_DELETED = bytes(code for code in _FORBIDDEN if code < 32)
_REFERENCE = re.compile(r"&(?:#([0-9]{1,8})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z][a-zA-Z0-9]{1,31}));")
_DECLARED = re.compile(rb"""^<\?xml[^>]{1,200}?\bencoding\s*=\s*["']([A-Za-z][\w.:-]{1,40})["']""")
_SINGLE_BYTE_OR_ASIAN = re.compile(r"iso8859|cp\d|koi8|mac|shift_jis|euc_|gb|big5|tis")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"),
)  # fmt: skip


def cleaned(file: BufferedReader) -> Iterator[bytes]:
    """The file in UTF-8, whatever its encoding, without characters and references that XML forbids.

    A byte that is not UTF-8 where UTF-8 is expected is read as windows-1252: archives mix the two. HTML's named
    entities become their characters. Constant memory; raises what reading the file raises.
    """
    decoder = _decoder(file.peek(1 << 10)[: 1 << 10])
    held, more = "", True
    while more:
        content = file.read1(PIECE_BYTES)
        more = bool(content)
        text = held + decoder.decode(content, final=not more)
        cut = _divided(text) if more else len(text)
        text, held = text[:cut], text[cut:]
        if text:
            yield _clean(text)


def _decoder(start: bytes) -> codecs.IncrementalDecoder:
    """By the byte order mark, else the declaration, else UTF-8."""
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if marked is None and (declared := _DECLARED.match(start.lstrip())):
        marked = _known(declared[1].decode())
    name = marked or "utf-8"
    return codecs.getincrementaldecoder(name)(_AS_WINDOWS_1252 if name.startswith("utf-8") else "replace")


def _known(label: str) -> str | None:
    """The codec of a declared encoding in which ASCII is ASCII; windows-1252 for iso-8859-1, as browsers read it."""
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    if name in ("iso8859-1", "ascii"):
        return "cp1252"
    return name if _SINGLE_BYTE_OR_ASIAN.match(name) else None


def _divided(text: str) -> int:
    """Where a reference or tag begins that the next piece may end; the end of the text for none."""
    start = max(text.rfind("<"), text.rfind("&"))
    return start if start >= max(0, len(text) - LONGEST_REFERENCE) else len(text)


def _clean(text: str) -> bytes:
    content = _REFERENCE.sub(_allowed, text).encode("utf-8", "ignore").translate(_SPACED, _DELETED)
    return content.replace("\ufffe".encode(), b"").replace("\uffff".encode(), b"")


def _allowed(reference: re.Match[str]) -> str:
    """The reference if XML knows it, the character of one of HTML's, nothing for a forbidden character."""
    decimal, hexadecimal, name = reference.groups()
    if name is not None:
        character = html5.get(f"{name};", "")
        return reference[0] if not character or set(character) & set("<>&\"'") else character
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if code in _BREAKS:
        return " "
    return "" if code > 0x10FFFF or code in _FORBIDDEN else reference[0]


def _from_windows_1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - only decoders name this handler
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


_AS_WINDOWS_1252 = "related.windows-1252"
codecs.register_error(_AS_WINDOWS_1252, _from_windows_1252)
