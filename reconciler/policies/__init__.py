"""Policies: programs that judge a plan before it is applied."""
