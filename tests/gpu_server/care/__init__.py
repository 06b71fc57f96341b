"""Tests: What keeps ComfyUI and the GPU in order."""
