"""The database of what newsrooms change between two rebuilds: articles, signals, comparisons.

Imports nothing of the rest of `service`.
"""
