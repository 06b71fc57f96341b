"""Tests: The GPU service's contract."""
