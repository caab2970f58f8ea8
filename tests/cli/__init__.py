"""The command line: options, console, settings and failures. End to end: `tests.end_to_end`."""
