"""Files become `DesiredState` or diagnostics; start at `reconciler.desired.load`."""
