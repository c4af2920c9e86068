"""The demonstration pages and the description of the API."""
