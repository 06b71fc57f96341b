"""Tests: What the GPU service decides."""
