"""Where tasks and their outputs are kept."""
