"""The command line: options, console, settings, failures. Whole stories: `tests.end_to_end`."""
