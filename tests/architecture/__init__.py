"""The rules of the house, checked by reading the code instead of running it."""
