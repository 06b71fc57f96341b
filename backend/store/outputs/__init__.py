"""Where the files that tasks make are kept."""
