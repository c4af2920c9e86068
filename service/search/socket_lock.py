"""Locks the socket of the search process, so that it belongs to one service."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO


class SocketInUse(Exception):
    """Another living process holds the socket; the message names it and the settings."""


def make_folder(socket: Path) -> None:
    """Create the folder of a socket, for this user alone. Raises OSError, also for another user's folder."""
    folder = socket.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.parent == Path(tempfile.gettempdir()) and folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user: set RELATED_SEARCH_SOCKET to a path elsewhere")


def lock_socket(socket: Path, role: str) -> IO[bytes]:
    """Lock a socket for one process of this role until the file is closed or the process ends.

    Raises `SocketInUse`, OSError. The system frees the lock of a killed process, so a socket that nobody has locked
    is stale.
    """
    make_folder(socket)
    lock = socket.with_name(f"{socket.name}.{role}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        lock.close()
        if isinstance(error, BlockingIOError):
            raise SocketInUse(
                f"another running process has the search socket {socket}: stop that service, or give this one a "
                "RELATED_SEARCH_SOCKET, a RELATED_PORT or a RELATED_STORE of its own"
            ) from None
        raise
    return lock
