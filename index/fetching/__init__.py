"""Fetches a newsroom's own feeds, sitemaps and pages: politely, from public addresses only, and only if told to.

Nothing that serves or builds may import it.
"""
