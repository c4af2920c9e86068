"""Owns the live store: what newsrooms change between two rebuilds. Imports nothing of the rest of `service`.

changes    what the store gives and takes, and the reading of editors' signals
store      `LiveStore`: all that may be asked of it
reads, writes   the statements, one function a question or a change
database   transactions, and what their faults are called
sqlite, postgres   connections
schema, migrate, migrations/   the tables, and how they come to be
"""
