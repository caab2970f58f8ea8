"""Command line: options, output and exit codes. What commands do: `reconciler.workflows`."""
