"""Rules about the structure of the code, checked by reading it instead of running it."""
