"""Deterministic simulation: the real planner, executor and client under faults and crashes.

A seed determines the behaviour of an API, an organisation, files, faults, crashes and other clients
of the same API. After some runs with faults, the faults stop, one clean apply follows, and the
oracles check the whole story. To run it: `python -m tests.simulation --seeds N`.
"""
