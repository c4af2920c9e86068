"""Evaluation: how good the lists are, measured on links that editors made. Never imported by the web process."""
