"""Compares articles that came or changed after a snapshot with the snapshot and each other."""
