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
from rows import FAST, slow_reply, tcp  # noqa: E402


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


@pytest.fixture
def mixed(probe, serve, port):
    """An agent with a probe in most of the states; .web and .net are the servers."""
    web, net, tired = serve(hostile.http_reply()), serve(hostile.silent), serve(slow_reply)
    net.down()
    agent = probe.agent(
        FAST
        + f"[probe web]\nurl = http://127.0.0.1:{web.port}/health\ninterval = 1s\n"
        + tcp("network", net.port)
        + tcp("db", web.port, "after = network")
        + tcp("spare", port, "required = no")
        + tcp("late", port, "start_period = 1h")
        + tcp("process", web.port, "level = alive")
        + f"[probe tired]\nurl = http://127.0.0.1:{tired.port}/\nwarn_after = 1ms\ninterval = 1s\n"
    )
    agent.web, agent.net = web, net
    for name, status in [("web", "healthy"), ("network", "unhealthy"), ("db", "blocked"), ("spare", "unhealthy")]:
        agent.wait_status(name, status)
    return agent
