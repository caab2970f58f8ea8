"""Command line: options, output and exit codes; `reconciler.workflows` does the work."""
