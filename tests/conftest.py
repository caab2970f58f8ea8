"""Settings that every test shares."""

import pytest
from hypothesis import HealthCheck, settings

from tests.simulation.summary import pytest_terminal_summary

__all__ = ["anyio_backend", "pytest_terminal_summary"]  # a hook and a fixture, found by pytest

# Deadlines judge the machine, not the code; CI machines are shared and noisy.
settings.register_profile("reconciler", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("reconciler")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
