"""The installed command as users run it: another process, a clean environment, real files."""
