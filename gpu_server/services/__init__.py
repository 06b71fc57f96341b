"""What the GPU service decides, free of HTTP."""
