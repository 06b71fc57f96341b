"""The embedded task store: one SQLite file, for one machine."""
