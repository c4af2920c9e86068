"""Compares pairs of articles and estimates the probability that an editor would link them."""
