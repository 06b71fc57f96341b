"""The GPU service's contract."""
