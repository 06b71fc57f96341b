"""Everything killed at random while tasks come in, and a look at what has become of each."""
