"""Git history: files at a commit, and files that are not checked out."""
