"""Embeds texts with a dense model, caches the vectors, and joins dense and lexical parts."""
