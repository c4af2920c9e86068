"""Measures lists against the links that editors made."""
