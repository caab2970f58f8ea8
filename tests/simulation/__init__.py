"""Deterministic simulation: the real planner, executor and client under faults and crashes.

A seed gives an API with its habits, an organisation, files, faults, crashes and strangers who work
on the same API. After some runs under fire the faults stop, one clean apply follows, and the
oracles judge the whole story. Run it: `python -m tests.simulation --seeds N`.
"""
