"""Tests: The GPU service's routes."""
