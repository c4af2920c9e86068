"""Make, list and revoke API keys. A running service follows the file: neither needs a restart.

    python scripts/keys.py new cms --file keys.toml --scopes write [--brand B] [--webhook] [--expires 2027-01-01]
    python scripts/keys.py list --file keys.toml
    python scripts/keys.py revoke cms --file keys.toml

`new` prints the key, and with --webhook the secret that webhooks are signed with, once: the file holds only the key's
digest. Exit codes: 0 done, 2 usage or a file that cannot be used, 74 I/O failure.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import secrets
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path

from index.storage.files import fsync_directory
from service.auth.api_keys import NAME, BadKeys, parse_keys, read_keys


class CannotChange(Exception):
    """What was asked for does not fit the file; nothing was changed."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options.file.resolve(), options)
    except (BadKeys, CannotChange) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return os.EX_IOERR
    return 0


def _new(path: Path, options: argparse.Namespace) -> None:
    key = f"rs_{secrets.token_urlsafe(32)}"
    webhook_secret = f"whs_{secrets.token_urlsafe(32)}" if options.webhook else None
    table = _table(options, hashlib.sha256(key.encode()).hexdigest(), webhook_secret)
    with _alone(path):
        text = _text(path)
        if options.name in parse_keys(text, str(path)).by_name:
            raise CannotChange(f"{path} has a key {options.name!r} already: revoke it, or choose another name")
        _write(path, f"{text.rstrip()}\n\n{table}".lstrip())
    print(f"key: {key}")
    if webhook_secret:
        print(f"webhook secret: {webhook_secret}")
    print(f"Keep it now: it is shown only this once. {path} holds the key's digest.", file=sys.stderr)


def _list(path: Path, _: argparse.Namespace) -> None:
    for key in read_keys(path).by_name.values():
        facts = [", ".join(sorted(key.scopes)), f"brand {key.brand}" if key.brand else "all brands"]
        facts += ["webhooks"] if key.webhook_secret else []
        facts += [f"until {key.expires}"] if key.expires else []
        print(f"{key.name:<20} {'; '.join(facts)}")


def _revoke(path: Path, options: argparse.Namespace) -> None:
    with _alone(path):
        text = _text(path)
        if options.name not in parse_keys(text, str(path)).by_name:
            raise CannotChange(f"{path} has no key {options.name!r}; see list")
        _write(path, _without(text, options.name, path))
    print(f"revoked {options.name}")


def _table(options: argparse.Namespace, digest: str, webhook_secret: str | None) -> str:
    """The TOML of a key; a text in JSON is one in TOML."""
    lines = [f"[{options.name}]", f'sha256 = "{digest}"', f"scopes = {json.dumps(options.scopes)}"]
    lines += [f"brand = {json.dumps(options.brand, ensure_ascii=False)}"] if options.brand else []
    lines += [f'webhook_secret = "{webhook_secret}"'] if webhook_secret else []
    lines += [f"expires = {options.expires}"] if options.expires else []
    return "\n".join(lines) + "\n"


def _without(text: str, name: str, path: Path) -> str:
    """The text without one table, all else as it stands. Raises `CannotChange` where lines cannot do that."""
    lines = text.splitlines(keepends=True)
    headers = [at for at, line in enumerate(lines) if line.lstrip().startswith("[")] + [len(lines)]
    begin, end = next((pair for pair in pairwise(headers) if _opens(lines[pair[0]], name)), (0, 0))
    while end > begin and not lines[end - 1].split("#")[0].strip():  # a comment above the next table is that table's
        end -= 1
    left = "".join(lines[:begin] + lines[end:])
    try:
        kept = tomllib.loads(left)
    except tomllib.TOMLDecodeError:
        kept = {}
    if kept != {other: table for other, table in tomllib.loads(text).items() if other != name}:
        raise CannotChange(f"[{name}] is written in {path} in a way that only an editor can take out")
    return left.lstrip("\n")


def _opens(line: str, name: str) -> bool:
    try:
        return tomllib.loads(line) == {name: {}}
    except tomllib.TOMLDecodeError:  # the line only looks like a header: part of a list, say
        return False


def _text(path: Path) -> str:
    """The file's text, "" for one that is not there yet. Raises `BadKeys`."""
    if not path.exists():
        return ""
    read_keys(path)
    return path.read_text("utf-8")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One change at a time: a lock on the file's folder."""
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, text: str) -> None:
    """Replace the file, whole or not at all; it keeps its owner. Raises `BadKeys` for a wrong text."""
    parse_keys(text, str(path))
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if path.exists():  # run by root, it must stay readable for the service
                os.chown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} may hold only letters, digits, - and _, 60 at most")
    return text


def _scopes(text: str) -> list[str]:
    scopes = [scope.strip() for scope in text.split(",")]
    if unknown := [scope for scope in scopes if scope not in ("read", "write", "editor")]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no scope; there are read, write and editor")
    return scopes


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date, such as 2027-01-01") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser("new", help="make a key and print it")
    new.add_argument("name", type=_name, help="who is to use it: stands in the audit and in webhooks' address")
    new.add_argument("--scopes", type=_scopes, required=True, help="read, write, editor, with commas; each reads")
    new.add_argument("--brand", help="the only brand whose articles it may write")
    new.add_argument("--webhook", action="store_true", help="make a secret for signed webhooks, too")
    new.add_argument("--expires", type=_date, metavar="DATE", help="the first day (UTC) on which it no longer counts")
    new.set_defaults(run=_new)
    commands.add_parser("list", help="the keys, never their secrets").set_defaults(run=_list)
    revoke = commands.add_parser("revoke", help="take a key out")
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke)
    for command in commands.choices.values():
        command.add_argument("--file", type=Path, required=True, metavar="TOML", help="the file of RELATED_KEYS")
    return parser


if __name__ == "__main__":
    sys.exit(main())
