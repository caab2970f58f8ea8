"""Adoption of the state of the API in files: read, write or edit, and verify with a plan."""
