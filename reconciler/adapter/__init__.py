"""The adapter: the five raw operations over REST and MCP, for programs without the API's key."""
