"""Logging, and nothing else."""
