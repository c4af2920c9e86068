"""Embeds texts with a dense model, caches the vectors, and joins them with the lexical part."""
