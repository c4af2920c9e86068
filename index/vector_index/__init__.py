"""Finds the nearest vectors of a snapshot; the only package that imports faiss."""
