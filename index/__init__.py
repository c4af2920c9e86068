"""Offline half: turns articles into an immutable snapshot on disk."""
