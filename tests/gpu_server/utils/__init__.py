"""Tests: Logging."""
