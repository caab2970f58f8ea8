"""Policies: programs that can deny a plan before it is applied."""
