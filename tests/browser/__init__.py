"""The page, as people use it: a real Chromium against the real programs and the fake ComfyUI."""
