"""A reload of many probes beside checks that go on: nothing lost, each asker answered, and the stop
comes in between."""

import contextlib
import os
import signal
import socket
import threading
import time

from lib import hostile
from lib.net import SLACK, accepts, free_port, wait_until

MANY = 20000


def idle(n, more=""):
    """n probes that are not due in this hour; the last one with `more`."""
    sections = (f"[probe idle{i}]\naddress = 127.0.0.1:1\ninitial_delay = 1h\n" for i in range(n))
    return "".join(sections) + more + "\n"


class Manager:
    """What the agent tells its service manager, in order."""

    def __init__(self, probe):
        self.path = probe.path("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(20 * SLACK)

    @property
    def env(self):
        return {"NOTIFY_SOCKET": self.path}

    def hear(self, *words):
        """Takes messages until all of the words have come, in that order."""
        for word in words:
            end = time.monotonic() + 20 * SLACK
            while not (said := self.socket.recv(4096).decode()).startswith(word):
                assert said.startswith("STATUS=") and time.monotonic() < end, f"{said}, not {word}"

    def left(self):
        self.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while said := self.socket.recv(4096).decode():
                if not said.startswith("STATUS="):
                    yield said


class Asker(threading.Thread):
    """POST /reload, in the background."""

    def __init__(self, agent):
        super().__init__()
        self.agent, self.answer = agent, None
        self.start()

    def run(self):
        self.answer = self.agent.post("/reload", timeout=30)

    def wait(self):
        self.join()
        return self.answer


def test_checks_run_and_end_meanwhile(probe, serve):
    watched = [serve(hostile.silent) for _ in range(3)]
    fast = "".join(
        f"[probe fast{i}]\naddress = 127.0.0.1:{s.port}\ninterval = 20ms\n" for i, s in enumerate(watched)
    )
    agent = probe.agent(fast + idle(MANY))
    before = [agent.wait_status(f"fast{i}", "healthy") for i in range(3)]
    for turn in range(4):
        agent.configure(fast + idle(MANY, f"retries = {turn + 4}"))
        answer = agent.post("/reload", timeout=30)
        assert answer.code == 200 and answer.text.endswith(f"reloaded: {MANY + 3} probes\n"), answer
    for i, server in enumerate(watched):
        least = agent.probe(f"fast{i}")["checks_total"]
        wait_until(lambda n=least, s=server: s.connections >= n, 10, "the server saw each check")
        seen = server.connections
        after = agent.probe(f"fast{i}")
        assert seen <= after["checks_total"] + 1, "a check was made twice"
        assert after["checks_total"] > before[i]["checks_total"], "it was reset"
        assert after["since"] == before[i]["since"] and after["failures_total"] == 0
    agent.stop()


def test_each_is_answered_by_a_reload_that_began_after_it_asked(probe, serve):
    server = serve(hostile.silent)
    manager = Manager(probe)
    one = f"[probe one]\naddress = 127.0.0.1:{server.port}\n"
    agent = probe.agent(one, env=manager.env)
    manager.hear("READY=1")
    agent.configure(one + idle(MANY))
    first = Asker(agent)
    manager.hear("RELOADING=1\nMONOTONIC_USEC=")
    agent.configure(one + "colour = 1\n")
    second = agent.post("/reload", timeout=30)
    assert second.code == 422 and "colour: unknown key" in second.text, second
    manager.hear("READY=1", "RELOADING=1", "READY=1")
    # The first one may have come to the file after the second was written.
    assert first.wait().code in (200, 422)
    agent.configure(one + idle(2))
    agent.kill(signal.SIGHUP)
    manager.hear("RELOADING=1", "READY=1")
    assert agent.get("/status/idle1").code != 404
    agent.stop()
    assert [said for said in manager.left() if not said.startswith("STOPPING=1")] == []


def test_the_stop_does_not_wait_for_it(probe, serve):
    server = serve(hostile.silent)
    manager = Manager(probe)
    hangs = f"[probe hangs]\nurl = http://127.0.0.1:{server.port}/\n"
    agent = probe.agent(hangs, env=manager.env)
    manager.hear("READY=1")
    wait_until(lambda: server.connections, 10, "it hangs")
    agent.configure(hangs + idle(MANY))
    asker = Asker(agent)
    manager.hear("RELOADING=1")
    agent.kill(signal.SIGHUP)  # and one more behind it
    agent.stop()
    # Answered, whichever came first.
    assert asker.wait().code in (200, 503)
    said = list(manager.left())
    assert said and said[-1] == "STOPPING=1", "it spoke of a reload after it said that it stops"


def test_other_listeners_are_opened_before_the_old_ones_are_closed(probe, port):
    """A new port, then the same on every address; another mode, then another path of the socket."""
    agent = probe.agent(idle(2))
    first = agent.port
    agent.port = port
    agent.agent_lines = f"socket = {agent.socket}\nsocket_mode = 0666"
    agent.configure(idle(2))
    assert agent.post("/reload").text == "reloaded: 2 probes\n"
    assert agent.get("/live", tcp=True).code == 200 and not accepts(first)
    assert agent.socket.stat().st_mode & 0o777 == 0o666

    agent.agent_lines = f"listen = :{port}\ntoken = off\nsocket = {agent.socket}.other"
    agent.configure(idle(2))
    assert agent.post("/reload").text == "reloaded: 2 probes\n"
    assert agent.get("/live", tcp=True).code == 200 and not agent.socket.exists()
    with socket.create_connection(("::1", port)):
        pass

    agent.agent_lines = f"listen = 192.0.2.1:9797\nsocket = {agent.socket}.other"
    agent.socket = probe.path(f"{agent.socket.name}.other")
    agent.configure(idle(3))
    answer = agent.post("/reload")
    assert answer.code == 422 and "does not have that address" in answer.text
    assert agent.get("/live", tcp=True).code == 200 and agent.get("/status/idle2").code == 404


def test_what_changes_in_agent_is_applied(probe, serve):
    """The new address and socket answer, the old ones are gone; a change that cannot be had is
    refused by name, and all stays as it was."""
    server = serve(hostile.silent)
    one = f"[probe one]\naddress = 127.0.0.1:{server.port}\n"
    agent = probe.agent(one)
    agent.wait_status("one", "healthy")
    old_port, old_socket = agent.port, agent.socket
    agent.agent_lines = f"socket = {old_socket}\nsocket_mode = 0600\nlisten = 127.0.0.1:{free_port()}"
    agent.configure(one)
    answer = agent.post("/reload")
    assert answer.code == 200, str(answer)
    assert os.stat(old_socket).st_mode & 0o777 == 0o600
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", old_port), timeout=5)
        raise AssertionError("the old port is still open")
    taken = socket.create_server(("127.0.0.1", 0))
    agent.agent_lines = (
        f"socket = {old_socket}\nsocket_mode = 0600\nlisten = 127.0.0.1:{taken.getsockname()[1]}"
    )
    agent.configure(one + idle(2))
    answer = agent.post("/reload")
    assert answer.code == 422 and "cannot listen on 127.0.0.1:" in answer.text, str(answer)
    assert agent.get("/status/idle0").code == 404
    taken.close()
    agent.configure(one + idle(2))
    assert agent.post("/reload").code == 200
    assert agent.get("/status/idle0").code != 404
    agent.stop()
