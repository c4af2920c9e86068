"""Metrics, logs, and the middleware around every request."""
