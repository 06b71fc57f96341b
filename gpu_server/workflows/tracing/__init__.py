"""Parameters found by following a graph's links upstream from its samplers."""
