"""The GPU service: workflows run by ComfyUI, on :8001."""

__version__ = "1.0.0"
