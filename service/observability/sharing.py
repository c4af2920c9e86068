"""Owns where the processes of a machine keep their numbers, so that whichever web worker is scraped tells of all."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from service.config import Settings
from service.observability.metric_store import SUFFIX, Read, Tallies, merge, read_tallies

log = logging.getLogger(__name__)

SUPERVISOR = "serve"


def tallies_of(settings: Settings) -> Tallies:
    """The numbers of this web process: shared where serve.py gave it a number, its own elsewhere."""
    return shared(settings, str(settings.worker)) if settings.worker else Tallies()


def shared(settings: Settings, name: str) -> Tallies:
    """The numbers of a process of this name; its own where they cannot be shared: it must serve all the same."""
    try:
        return Tallies(settings.tallies / f"{name}{SUFFIX}")
    except OSError as error:
        log.warning("/metrics tells of one process at a time: %s", error)
        return Tallies()


def all_tallies(settings: Settings, own: Tallies) -> Read:
    """The numbers of all processes, this one's among them."""
    mine = settings.tallies / f"{settings.worker}{SUFFIX}"
    others = sorted(settings.tallies.glob(f"*{SUFFIX}")) if settings.worker else []
    total = read_tallies(other for other in others if other != mine)
    merge(total, own.read())
    return total


def begin_anew(folder: Path) -> None:
    """Forget what an earlier run counted: it may have had more workers, or other metrics."""
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            path.unlink()
