"""A stand-in for the remote API: its state machine, its misbehaviour, three ways to reach it."""
