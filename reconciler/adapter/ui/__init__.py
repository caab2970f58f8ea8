"""Web page for users, served on the REST port."""
