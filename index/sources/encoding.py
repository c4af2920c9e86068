"""Tells the encoding of a text file, and gives its bytes as UTF-8, a piece at a time.

Bytes that are no text in that encoding stay as they are, so that the record that holds them is refused by name; none
becomes a replacement character.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, cast

from index.sources.opening import Input, UnreadableSource

PIECE = 1 << 16  # bytes that are decoded at a time
WINDOWS = "cp1252"  # what Excel writes in Western Europe and the Americas

# Before UTF-16, whose mark begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Signs of Windows-1252 that stand between letters only where the bytes are letters of another encoding.
_MISREAD = re.compile(rb"[A-Za-z][\xa1-\xac\xae-\xb6\xb8-\xbf\xd7\xf7][A-Za-z]")
_REPLACED = "\ufffd"
_UNDECODED = re.compile("[\udc80-\udcff]")
_HIGH, _LETTERS = re.compile(rb"[\x80-\xff]"), re.compile(rb"[A-Za-z]")
_MOST_HIGH = 0.3  # of the letters; French has a twentieth, Cyrillic and Greek nearly all
_SAMPLE = 1 << 20
_LABELS = {
    "iso8859-1": WINDOWS, "ascii": WINDOWS, "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
}  # fmt: skip
_OTHER_LABELS = {"x-sjis": "cp932", "windows-31j": "cp932", "x-cp1252": WINDOWS, "windows-949": "cp949"}


def encoding_of_label(label: str) -> str | None:
    """The encoding that browsers mean by a page's label (WHATWG Encoding); None for an unknown one."""
    name = label.strip().lower()
    try:
        known = codecs.lookup(_OTHER_LABELS.get(name, name))
    except (LookupError, ValueError):
        return None
    if not getattr(known, "_is_text_encoding", True):
        return None
    canonical = _LABELS.get(known.name, known.name)
    return (
        "utf-8" if canonical.startswith(("utf-16", "utf-32")) else canonical
    )  # who can read the label has no UTF-16


def as_utf8(source: Input) -> Input:
    """The source with its text as UTF-8 without a byte order mark.

    The encoding is that of the mark, else of the mapping, else UTF-16 told by its zero bytes; else nothing changes.
    """
    stated = source.mapping.encoding if source.mapping is not None else ""
    start = source.file.peek(4_096)[:4_096]
    mark, encoding = next(((mark, name) for mark, name in _MARKS if start.startswith(mark)), (b"", ""))
    encoding = encoding or stated or _wide(start)
    source.file.read(len(mark))
    return source if encoding in ("", "utf-8") else recoded(source, encoding)


def recoded(source: Input, encoding: str) -> Input:
    """The source with its text as UTF-8."""
    return source._replace(file=cast(io.BufferedReader, io.BufferedReader(_Recoded(source.file, encoding))))


def guessed(source: Input, pieces: Iterable[bytes]) -> str:
    """The encoding of bytes that name none: UTF-8, also with damaged places, else Windows-1252.

    Raises `UnreadableSource` for what is neither.
    """
    characters, damaged, sample = _counted(pieces)
    if characters >= damaged:
        return "utf-8"
    if _is_windows(sample):
        return WINDOWS
    reason = 'is neither UTF-8 nor Windows-1252: name its encoding in a mapping file (encoding = "...")'
    raise UnreadableSource(Path(source.where), reason)


def damaged_field(content: bytes, record: Mapping[str, Any]) -> str | None:
    """The field of a record from `content` in which bytes that are no text became U+FFFD, if any."""
    if _REPLACED.encode() in content:  # it was published so
        return None
    return next((name for name, value in record.items() if _REPLACED in str(value)), None)


def mostly_utf_8(content: bytes) -> bool:
    """Whether more characters beyond ASCII are whole in UTF-8 than bytes are no part of one."""
    characters, damaged, _ = _counted([content])
    return characters > damaged


def _counted(pieces: Iterable[bytes]) -> tuple[int, int, bytes]:
    """Of bytes read as UTF-8 the characters beyond ASCII, the bytes that are none, and a sample with such bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    characters, damaged, sample = 0, 0, b""
    for piece in pieces:
        more, wrong = _beyond_ascii(decoder.decode(piece))
        characters, damaged = characters + more, damaged + wrong
        if wrong and len(sample) < _SAMPLE:
            sample += piece
    return characters, damaged + len(decoder.decode(b"", True)), sample


def _beyond_ascii(text: str) -> tuple[int, int]:
    """How many characters and how many undecoded bytes are not ASCII."""
    if text.isascii():
        return 0, 0
    damaged = len(_UNDECODED.findall(text)) if undecoded(text) else 0
    return len(text) - damaged - len(text.encode("ascii", "ignore")), damaged


def undecoded(text: str) -> bool:
    """Whether a text holds bytes that were no text in its encoding."""
    return not text.isascii() and _UNDECODED.search(text) is not None


def _is_windows(sample: bytes) -> bool:
    """Whether bytes are plausible as Windows-1252: mostly ASCII letters, and no signs amid words."""
    high = len(_HIGH.findall(sample))
    return (
        b"\0" not in sample
        and not re.search(rb"[\x81\x8d\x8f\x90\x9d]", sample)
        and high <= _MOST_HIGH * (high + len(_LETTERS.findall(sample)))
        and len(_MISREAD.findall(sample)) * 20 <= high
    )


def _wide(start: bytes) -> str:
    """UTF-16 without a mark, told by the zero bytes of its ASCII characters; else nothing."""
    pairs = len(start) // 2
    for first, encoding in ((0, "utf-16-be"), (1, "utf-16-le")):
        zeros, others = start[first::2].count(0), start[1 - first :: 2].count(0)
        if pairs and zeros > 0.4 * pairs and others < 0.05 * pairs:
            return encoding
    return ""


class _Recoded(io.RawIOBase):
    """Text of another encoding as UTF-8."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file = file
        self._errors = "surrogatepass" if encoding.startswith("utf-") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._ready = b""
        self._over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._over:
            piece = self._file.read(PIECE)
            self._over = not piece
            try:
                self._ready = self._decoder.decode(piece, self._over).encode("utf-8", self._errors)
            except UnicodeDecodeError:  # half a character at the end, or what is none in UTF-16
                self._ready, self._over = b"\xff", True
        given = self._ready[: len(buffer)]
        buffer[: len(given)] = given
        self._ready = self._ready[len(given) :]
        return len(given)
