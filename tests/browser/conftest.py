"""Fixtures of the browser tests: the program and the servers of tests/e2e, and a Chromium that all
tests of a worker share, each with a page of its own."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from chromium import Chromium  # noqa: E402  (finds tests/e2e/lib)
from lib import hostile  # noqa: E402
from lib.net import free_port  # noqa: E402
from lib.program import ROOT, Program  # noqa: E402


@pytest.fixture
def probe():
    path = Path(os.environ.get("PROBE_BIN", ROOT / "build-plain/probe"))
    assert path.exists(), f"no program at {path}: build it, or set PROBE_BIN"
    program = Program(path)
    yield program
    program.close()


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def serve():
    running = []

    def start(behave, **kw):
        running.append(hostile.Server(behave, port=free_port(), **kw))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture(scope="session")
def chromium():
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture
def browse(chromium):
    """browse(agent, dark=True, width=390, ...) opens its page. What the console says against it
    fails the test, unless it takes the complaints itself."""
    opened = []

    def open_page(agent, path="/", **kw):
        page = chromium.page(f"http://127.0.0.1:{agent.port}{path}", **kw)
        opened.append(page)
        return page

    yield open_page
    complaints = []
    for page in opened:
        if not page.forgiven:
            complaints += page.complaints()
        page.close()
    assert not complaints, complaints
