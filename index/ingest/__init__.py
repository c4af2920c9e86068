"""Merges the sources into one archive: one article an ID, in row order."""
