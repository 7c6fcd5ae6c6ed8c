"""What every test shares: reproducible examples, few threads, and workers for a whole folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Read when torch is imported. Two threads, on whatever machine, for what is done in parts; and
# threads that sleep while they wait, or those of one worker keep the others from their cores.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Returns 0 where files or single tests are asked for: a worker imports all torch first."""
    return None if all(Path(each).is_dir() for each in config.args) else 0


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Every test begins with one thread of torch: its worker has one core, if that.

    On a busy machine, threads that wait for each other take most of the time.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
