"""The secret that an installation signs with: list tokens, console sessions."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SECRET_BYTES = 32


def secret_in(directory: Path) -> bytes:
    """The secret of the installation whose events lie in `directory`; the first process to ask makes it.

    Linked into place whole, so that no process reads half of one. Raises OSError.
    """
    path = directory / "token.secret"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = directory / f"token.secret.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)
        except FileExistsError:
            pass  # another process was first
        finally:
            made.unlink()
    return path.read_bytes()
