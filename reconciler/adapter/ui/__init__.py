"""Web page for people, served on the REST port."""
