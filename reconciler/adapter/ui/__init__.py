"""The page for people, served beside the REST port."""
