"""Speaking to ComfyUI: its HTTP routes, its errors, and following a job to its end."""
