"""The GPU service's routes: parse, call a service, answer."""
