"""Experiments while they run: which reader sees which list, and the log of what readers saw and did."""
