"""Prepares the text of articles: passages without boilerplate, digests, written forms of words."""
