"""How fast, with how many calls and how much memory: `python -m tests.benchmarks`."""
