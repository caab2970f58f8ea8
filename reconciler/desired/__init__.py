"""Conversion of files to a `DesiredState` or diagnostics; start at `reconciler.desired.load`."""
