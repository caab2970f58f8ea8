"""Fleets: many organisations and environments with one command.

    config        fleet.yaml and its members; read this first
    task          the work of one member, and the approval of its plan by digests
    outcome       the outcome of a member and the result of the fleet
    checkpoint    the file from which a run is resumed
    local_engine  members in threads of this process
    temporal      members as workflows, on any number of machines
    table         the result in the terminal
    markdown      the result in an issue on GitHub
    metrics       the result for Prometheus

The command that joins them is `reconciler.cli.fleet_run`.
"""
