"""What is counted of a process, for Prometheus: each application has a registry of its own."""
