"""What the backend decides, free of HTTP."""
