"""Tests: Workflows and their parameters."""
