"""The on-disk format of a snapshot (FORMAT.md): writing, verification, memory-mapped reading."""
