"""The command line: options in, exit codes out. What commands do is in `reconciler.workflows`."""
