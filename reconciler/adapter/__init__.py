"""Adapter: the five raw operations over REST and MCP, for programs without the API key."""
