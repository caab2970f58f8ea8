"""One module per command, imported only when it runs; the list is in `reconciler.cli.main`."""
