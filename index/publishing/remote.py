"""Reads and writes a store elsewhere: a folder, an object store, a web server.

The only importer of fsspec. The remote store has the layout of `index.publishing.store`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from index.publishing.store import UnknownSnapshot, checked_name


class RemoteFault(OSError):
    """What is elsewhere could not be read or written: each kind of store has errors of its own."""


class Remote:
    """The store under a URL. Raises ValueError for one that no installed package reads."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            files, self._root = url_to_fs(url)
        except ImportError as error:
            raise ValueError(f"{url}: {error}") from error
        self._files: Any = _Guarded(files)

    def active_id(self, channel: str) -> str:
        """The snapshot that a channel serves there. Raises `UnknownSnapshot`, OSError."""
        try:
            text = self.read(f"channels/{checked_name(channel)}").decode()
        except FileNotFoundError:
            raise UnknownSnapshot(f"channel {channel} has no snapshot in {self.url}") from None
        except UnicodeDecodeError as error:
            raise RemoteFault(f"the pointer of channel {channel} in {self.url} is no text: {error}") from None
        if not text.endswith("\n"):
            raise RemoteFault(f"the pointer of channel {channel} in {self.url} is not written to its end")
        return checked_name(text.strip())

    def names(self, folder: str) -> list[str]:
        """What is in a folder there, sorted."""
        self._files.invalidate_cache()
        try:
            paths = self._files.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(name for name in (path.rstrip("/").rpartition("/")[2] for path in paths) if name[:1] != ".")

    def size(self, path: str) -> int | None:
        """Bytes of a file there; None where there is none."""
        self._files.invalidate_cache()
        try:
            return int(self._files.size(self._path(path)))
        except FileNotFoundError:
            return None

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """The bytes [start, end) of a file there. Raises FileNotFoundError, OSError."""
        content: bytes = self._files.cat_file(self._path(path), start=start, end=end)
        return content

    def write(self, path: str, content: bytes) -> None:
        """Replace a file there in one step."""
        beside = f"{path.rpartition('/')[0]}/.{path.rpartition('/')[2]}.new"
        self._make_folder_of(path)
        self._files.pipe_file(self._path(beside), content)
        self._files.mv(self._path(beside), self._path(path))

    def put(self, local: Path, path: str) -> None:
        """Copy a file there, not in one step."""
        self._make_folder_of(path)
        self._files.put_file(str(local), self._path(path))

    def remove(self, path: str) -> None:
        """Delete a file or folder there."""
        self._files.rm(self._path(path), recursive=True)

    def _make_folder_of(self, path: str) -> None:
        self._files.makedirs(self._path(path.rpartition("/")[0]), exist_ok=True)

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"


class _Guarded:
    """A file system of fsspec that raises OSError alone."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def asked(*arguments: Any, **named: Any) -> Any:
            try:
                return getattr(self._files, name)(*arguments, **named)
            except OSError:
                raise
            except Exception as error:  # of aiohttp, botocore ...: no common class
                raise RemoteFault(f"{type(error).__name__}: {error}") from error

        return asked
