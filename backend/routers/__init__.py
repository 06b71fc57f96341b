"""The backend's routes: parse, call a service, answer."""
