"""The backend's contract."""
