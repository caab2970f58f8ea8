"""Engine for many machines: each member's run is a Temporal workflow.

Nothing outside this package imports temporalio.
"""
