"""What Git declared at a commit."""
