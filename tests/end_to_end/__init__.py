"""The installed command as users run it: a separate process, a clean environment, real files."""
