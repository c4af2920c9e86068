"""Fetching a newsroom's own feeds, sitemaps and pages; off unless asked for. Nothing that serves may import it.

`target`: what an address names; `reach`: whereto connections may go; `request`: one request under limits;
`robots` and `visitor`: a polite guest; `kept`: what is known already; `listing` and `pages`: from a feed to articles.
"""
