"""Take over into files what the API has: read, write or edit, and prove that nothing differs."""
