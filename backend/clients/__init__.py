"""The services that the backend calls."""
