"""Fetches a newsroom's own feeds, sitemaps and pages, politely and from public addresses only.

Nothing that serves or builds may import it.
"""
