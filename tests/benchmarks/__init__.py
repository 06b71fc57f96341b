"""Comparisons of two things in one run; nothing here is a test."""
