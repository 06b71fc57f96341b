"""Workflows: ComfyUI graphs in API format, and the parameters they take."""
