"""Finds each article's most related articles: retrieval, scoring, expansion, the candidate table."""
