"""The analysis of experiments, from the event log to the report. Never imported by the web process."""
