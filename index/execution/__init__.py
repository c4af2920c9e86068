"""Runs the blocks of a build: in this process, in several, or on a Ray cluster."""
