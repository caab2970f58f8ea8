"""Benchmarks of time, calls and memory: `python -m tests.benchmarks`."""
