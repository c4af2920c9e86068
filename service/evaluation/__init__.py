"""Offline measurement: lists against editors' links, and the analysis of experiments."""
