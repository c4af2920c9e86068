"""Publishes snapshots: the store of versions, the quality gate, and copies on other machines."""
