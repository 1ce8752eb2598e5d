"""Fixtures of the truth matrix. PROBE_BIN names the program (default: build-plain/probe)."""

import os
import signal
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import mongos  # noqa: E402
from lib.program import ROOT  # noqa: E402
from stage import Stage, drop_certs  # noqa: E402

# As an init has them, wherever the tests are started.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def stage():
    binary = Path(os.environ.get("PROBE_BIN", ROOT / "build-plain/probe"))
    assert binary.exists(), f"no program at {binary}: build it, or set PROBE_BIN"
    made = Stage(binary)
    yield made
    made.close()


def pytest_collection_modifyitems(items):
    """Thousands of mutants take as long as a hundred rows: they are spread over the run, not its end."""
    long = [item for item in items if item.path.name == "test_mutants.py"]
    items[:] = [item for item in items if item not in long]
    step = len(items) // (len(long) + 1)
    for i, item in enumerate(long):
        items.insert(i * (step + 1), item)


def pytest_sessionfinish(session, exitstatus):
    drop_certs()
    mongos.drop_shared()
