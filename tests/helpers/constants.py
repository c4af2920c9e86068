"""The clock of the tests and the root of the checkout."""

from __future__ import annotations

from pathlib import Path

from index.article import epoch_seconds

NOW = epoch_seconds("2026-11-24T09:00:00Z", "now") or 0
ROOT = Path(__file__).parent.parent.parent
