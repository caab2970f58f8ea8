"""Compute what has to change. Pure: no file, no API, no clock. Start reading at `planner`."""
