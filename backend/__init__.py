"""The backend: the client-facing API, on :8000."""
