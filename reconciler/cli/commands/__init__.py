"""One module a command, imported only when it runs; the list is in `reconciler.cli.main`."""
