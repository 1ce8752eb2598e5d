"""agent: what becomes of the agent itself, and what a client of it sees each time (`probe status`:
0 healthy, 1 unhealthy or starting, 69 nobody answers, 75 stale). Each row is a story of its own.

PROBE_STOP=30 stops the agent for 30 s where 5 s are the rule."""

import json
import os
import re
import resource
import signal
import socket
import time
from pathlib import Path

import pytest

from lib import hostile
from lib.net import SLACK
from lib.program import UnixConnection
from table import HEALTHY, UNHEALTHY, rows

STOP = float(os.environ.get("PROBE_STOP", "5"))
FAST = "[defaults]\ninterval = 100ms\ntimeout = 400ms\nretries = 1\n"


def tcp(port, name="x", more=""):
    return f"[probe {name}]\naddress = 127.0.0.1:{port}\n{more}\n"


def status(stage, agent, *args, timeout="2s"):
    return stage.program.run(
        "status", "--json", "--timeout", timeout, "--agent", getattr(agent, "socket", agent), *args
    )


def expect(stage, agent, code, *args, **kw):
    r = status(stage, agent, *args, **kw)
    assert r.code == code, str(r)
    return r


def wait_code(stage, agent, code, timeout=20):
    stage.wait_until(lambda: status(stage, agent).code == code, timeout, f"status says {code}")


def started(stage, more=FAST, **kw):
    """An agent that has found its target, a server of this process, healthy."""
    server = stage.serve(hostile.silent)
    agent = stage.program.agent(f"{more}{tcp(server.port)}", **kw)
    agent.wait_status("x", "healthy")
    return agent, server


def story(how):
    def decorate(function):
        function.__doc__ = how
        return function

    return decorate


def run(row, stage):
    row.situation(stage)


# ---- what it answers at all


@story("up, its target healthy: 0; down: 1; up again: 0")
def up_and_down(stage):
    agent, server = started(stage)
    expect(stage, agent, 0)
    expect(stage, agent, 0, "x")
    server.down()
    wait_code(stage, agent, 1)
    server.up()
    wait_code(stage, agent, 0)


@story("no check has ended yet: 1, starting")
def starting(stage):
    server = stage.serve(hostile.silent)
    agent = stage.program.agent(tcp(server.port, more="initial_delay = 1h"))
    assert expect(stage, agent, 1).json["probes"][0]["status"] == "starting"


@story("an unknown name is asked for: 64")
def unknown_name(stage):
    agent, _ = started(stage)
    expect(stage, agent, 64, "nobody")


@story("no socket there: 69")
def no_agent(stage):
    expect(stage, stage.program.path("nobody.sock"), 69)


@story("another program at its address: silence, noise, a web server: 69")
def no_probe(stage):
    for behave in (hostile.silent, hostile.garbage, hostile.close_at_once, hostile.reset_at_once,
                   hostile.http_reply(b"{}"), hostile.http_reply(b'{"ready":true,"live":true}'),
                   hostile.http_reply(b"ok"),
                   hostile.http_reply(b"<html>", "404 Not Found"), hostile.ENDLESS_HEADERS,
                   hostile.ENDLESS_BODY, hostile.drip(b"HTTP/1.1 200 OK\r\n" * 99)):
        server = stage.serve(behave)
        expect(stage, f"http://127.0.0.1:{server.port}", 69, timeout="700ms")


# ---- stopped, starved


@story("SIGSTOP: 69; its target dies; SIGCONT: never a word of the old verdict")
def stopped(stage):
    agent, server = started(stage)
    agent.kill(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        expect(stage, agent, 69, timeout="500ms")
        server.down()
        # It is asked while it is stopped: the kernel keeps the connection until it runs again.
        asked = stage.program.spawn(
            "status", "--json", "--timeout", "120s", "--agent", agent.socket, "x"
        )
        queue = str(agent.socket.parent / ".probe.new")
        stage.wait_until(lambda: unix_peers(queue) >= 1, 10, "the client is connected")
        stage.wait_until(lambda: time.monotonic() - begun > STOP, STOP + 10, "the stop is over")
    finally:
        agent.kill(signal.SIGCONT)
    code = asked.wait(60)
    assert code in (1, 75), f"exit {code}: {asked.out_path.read_text()}"
    wait_code(stage, agent, 1)
    server.up()
    wait_code(stage, agent, 0)


def unix_peers(path):
    """The kernel has the name that a socket was made under: its unfinished one."""
    return sum(line.rstrip().endswith(path) for line in open("/proc/net/unix")) - 1


@story("SIGSTOP and SIGCONT, its target alive: 75 at first, then 0 by itself, and no failure counted")
def stopped_and_well(stage):
    agent, _ = started(stage)
    failures = agent.probe("x")["failures_total"]
    agent.kill(signal.SIGSTOP)
    begun = time.monotonic()
    stage.wait_until(lambda: time.monotonic() - begun > 3, 10, "the stop is over")
    agent.kill(signal.SIGCONT)
    wait_code(stage, agent, 0)
    assert agent.probe("x")["failures_total"] == failures, agent.probe("x")


class Quota:
    """One hundredth of a processor, by a cgroup of its own (v1 or v2)."""

    def __init__(self, pid):
        root = Path("/sys/fs/cgroup")
        v1 = (root / "cpu").is_dir()
        self.path = (root / "cpu" if v1 else root) / f"probe-truth-{pid}"
        self.home = Path("/proc/self/cgroup").read_text()
        if not v1:
            (root / "cgroup.subtree_control").write_text("+cpu")
        self.path.mkdir()
        if v1:
            (self.path / "cpu.cfs_quota_us").write_text("1000")
        else:
            (self.path / "cpu.max").write_text("1000 100000")
        (self.path / "cgroup.procs").write_text(str(pid))

    def close(self):
        for pid in (self.path / "cgroup.procs").read_text().split():
            (self.path.parent / "cgroup.procs").write_text(pid)
        self.path.rmdir()


@story("a hundredth of a processor: slow, but never wrong")
def starved(stage):
    agent, server = started(stage)
    if not os.access("/sys/fs/cgroup", os.W_OK):
        pytest.skip("needs a cgroup file system that can be written to")
    quota = Quota(agent.pid)
    try:
        before = agent.probe("x")["checks_total"]
        stage.wait_until(lambda: agent.probe("x")["checks_total"] > before + 20, 60, "20 checks")
        assert agent.probe("x")["status"] == "healthy", agent.probe("x")
        server.down()
        wait_code(stage, agent, 1, 60)
        reason = agent.probe("x")["last"]["reason"]
        assert reason == "refused", agent.probe("x")
    finally:
        quota.close()
    server.up()
    wait_code(stage, agent, 0)


# ---- after


@story("a database dies, and what comes after it is checked first: it is never told as unhealthy")
def dies_first(stage):
    server = stage.serve(hostile.silent)
    agent = stage.program.agent(
        "[defaults]\nretries = 1\n"
        + tcp(server.port, "db", "interval = 60s")
        + tcp(server.port, "x", "interval = 20ms\nafter = db")
        + tcp(server.port, "front", "interval = 20ms\nafter = x")
    )
    for name in ("db", "x", "front"):
        agent.wait_status(name, "healthy")
    server.down()
    agent.wait_status("db", "unhealthy")  # asked for: its own next check is a minute away
    agent.wait_status("x", "blocked")
    agent.wait_status("front", "blocked")
    told = re.findall(r" probe=(\w+) from=\w+ to=(\w+)", agent.log())
    assert all(to != "unhealthy" or name == "db" for name, to in told), told
    counted = {r["counted"] for n in ("x", "front") for r in agent.probe(n)["history"] if r["reason"]}
    assert counted == {"no, a probe in its after failed"}, counted


# ---- out of something


@story("no descriptor left: internal, not the target's fault; with descriptors again: 0")
def out_of_descriptors(stage):
    agent, _ = started(stage)
    # Asked over a connection that stands already: a new one would need a descriptor as well.
    asks = UnixConnection(agent.socket, 10)
    asks.request("GET", "/status/x")  # answered: it is accepted
    asks.getresponse().read()
    soft, hard = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)

    def internal():
        # The limit holds for new numbers only: from the lowest free one on there is none. A check
        # under way has one below it, which is free again behind it: looked at anew each time.
        used = {int(fd) for fd in os.listdir(f"/proc/{agent.pid}/fd")}
        lowest = next(n for n in range(len(used) + 1) if n not in used)
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (lowest, hard))
        asks.request("GET", "/status/x")
        return json.loads(asks.getresponse().read())["last"]["reason"] == "internal"

    try:
        stage.wait_until(internal, 10, "internal is told")
    finally:
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (soft, hard))
        asks.close()
    wait_code(stage, agent, 0)
    history = agent.probe("x")["history"]
    assert all(h["reason"] in (None, "internal") for h in history), history


# ---- the clock


def faked(stage):
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    assert library, "libfaketime is not installed: packaging/lib/deps.sh does that"
    clock = stage.program.write("clock", "+0\n")
    return clock, {
        "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def year(agent):
    return int(agent.probe("x")["last"]["started"][:4])


@story("the clock is set a year forward, then two years back: no verdict changes, none is stale")
def clock_set(stage):
    clock, env = faked(stage)
    agent, server = started(stage, env=env)
    now = year(agent)
    clock.write_text("+366d\n")
    stage.wait_until(lambda: year(agent) == now + 1, 10, "the agent sees the new year")
    before = agent.probe("x")["checks_total"]
    stage.wait_until(lambda: agent.probe("x")["checks_total"] > before + 5, 10, "checks go on")
    expect(stage, agent, 0)
    clock.write_text("-366d\n")
    stage.wait_until(lambda: year(agent) == now - 1, 10, "the agent sees the old year")
    before = agent.probe("x")["checks_total"]
    stage.wait_until(lambda: agent.probe("x")["checks_total"] > before + 5, 10, "checks go on")
    expect(stage, agent, 0)
    assert agent.probe("x")["failures_total"] == 0, agent.probe("x")
    server.down()
    wait_code(stage, agent, 1)


@story("a machine that has run for 30 years (a time name space): all as ever")
def long_uptime(stage):
    prefix = ["unshare", "--time", "--fork", "--monotonic", "946080000", "--boottime", "946080000"]
    server = stage.serve(hostile.silent)
    r = stage.program.run("check", f"tcp://127.0.0.1:{server.port}", prefix=prefix)
    assert r.code == 0, str(r)
    server.down()
    r = stage.program.run("wait", "--timeout", "500ms", f"tcp://127.0.0.1:{server.port}",
                          prefix=prefix)
    assert r.code == 124 and r.seconds < 0.5 + 2 * SLACK, str(r)


# ---- killed, cut off


@story("kill -9: 69, its socket left behind; started again: 0")
def killed(stage):
    agent, server = started(stage)
    agent.process.kill()
    agent.process.wait()
    assert agent.socket.exists()
    expect(stage, agent, 69)
    server.down()
    agent.start()
    wait_code(stage, agent, 1)
    server.up()
    wait_code(stage, agent, 0)


def ended(pid):
    """Gone, or at least a zombie: it is the init of the tests' container that reaps it."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


@story("kill -9 while a child works: no child is left")
def killed_with_a_child(stage):
    agent = stage.program.agent("[probe x]\ncommand = /bin/sleep 600\ntimeout = 60s\n")
    children = f"/proc/{agent.pid}/task/{agent.pid}/children"
    child = int(stage.wait_until(lambda: open(children).read().split(), 10, "the child runs")[0])
    agent.process.kill()
    agent.process.wait()
    stage.wait_until(lambda: ended(child), 10, "the child is gone")


@story("its socket is removed: 69 there, 0 by TCP")
def socket_removed(stage):
    agent, _ = started(stage)
    agent.socket.unlink()
    expect(stage, agent, 69)
    expect(stage, f"http://127.0.0.1:{agent.port}", 0)
    agent.kill(signal.SIGTERM)
    assert agent.process.wait(2 * SLACK) == 0


@story("another program's socket in its place: left alone")
def socket_replaced(stage):
    agent, _ = started(stage)
    agent.socket.unlink()
    stage.serve(hostile.silent, path=agent.socket)
    expect(stage, agent, 69, timeout="500ms")
    agent.kill(signal.SIGTERM)
    assert agent.process.wait(2 * SLACK) == 0
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(agent.socket))


@story("nobody reads its log: checks go on, SIGTERM ends it")
def log_unread(stage):
    read, write = os.pipe()
    try:
        server = stage.serve(hostile.silent)
        path = stage.program.path("a.sock")
        config = stage.program.write(
            "a.ini", f"[agent]\nsocket = {path}\nlisten = off\n[defaults]\ninterval = 10ms\n"
            f"retries = 1\n{tcp(server.port)}",
        )
        os.set_blocking(write, False)
        with open(write, "wb", buffering=0, closefd=False) as pipe:
            while pipe.write(b"x" * 4096):  # None: it is full
                pass
        process = stage.program.spawn("run", "-c", config, stderr=write)
        wait_code(stage, path, 0)
        for _ in range(5):
            server.down()
            wait_code(stage, path, 1)
            server.up()
            wait_code(stage, path, 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(1 * SLACK) == 0
    finally:
        os.close(read)
        os.close(write)


# fmt: off
ROWS = rows(
    "agent",
    *((name, function, verdict, "", "", {"by": run}) for name, function, verdict in (
        ("its target comes and goes", up_and_down, HEALTHY),
        ("starting", starting, UNHEALTHY),
        ("unknown name", unknown_name, UNHEALTHY),
        ("not there", no_agent, UNHEALTHY),
        ("not an agent", no_probe, UNHEALTHY),
        ("stopped, its target dies", stopped, UNHEALTHY),
        ("stopped, its target lives", stopped_and_well, HEALTHY),
        ("starved of CPU", starved, HEALTHY),
        ("its prerequisite dies", dies_first, UNHEALTHY),
        ("out of descriptors", out_of_descriptors, UNHEALTHY),
        ("clock set forward and back", clock_set, HEALTHY),
        ("long uptime", long_uptime, HEALTHY),
        ("killed, restarted", killed, UNHEALTHY),
        ("killed with a child at work", killed_with_a_child, UNHEALTHY),
        ("socket removed", socket_removed, UNHEALTHY),
        ("socket replaced", socket_replaced, UNHEALTHY),
        ("log unread", log_unread, HEALTHY),
    ))
)
