"""Selects and ranks an article's related stories, and serializes the list."""
