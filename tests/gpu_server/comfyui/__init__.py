"""Tests: Speaking to ComfyUI."""
