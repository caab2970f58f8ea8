"""The engine beyond one machine, on Temporal; the only package that knows the library.

A workflow is one member's run and has the member's name in its id, so there is one at a time.
Messages hold names and digests: workers read files and secrets where they are.
"""
