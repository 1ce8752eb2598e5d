"""What the agent tells others about its verdict: HAProxy and supervisors."""

import os
import re
import select
import socket
import subprocess

import pytest
from lib import hostile, servers
from lib.net import SLACK, free_port, wait_until

FAST = "[defaults]\ninterval = 50ms\ntimeout = 1s\nretries = 1\n"


def tcp(name, port, extra=""):
    return f"[probe {name}]\naddress = 127.0.0.1:{port}\n{extra}\n"


# ---- HAProxy's agent-check


def ask(port, say=b""):
    """What a client of the agent-check gets, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), 5 * SLACK) as s:
        s.settimeout(5 * SLACK)
        if say:
            s.sendall(say)
        text = b""
        while part := s.recv(4096):
            text += part
        return text.decode()


def wait_line(port, start):
    return wait_until(
        lambda: (line := ask(port)).startswith(start) and line, 10, f"the line begins with {start}"
    )


def test_agent_check_line(probe, serve):
    server = serve(hostile.silent)
    optional = serve(hostile.silent)
    port = free_port()
    agent = probe.agent(
        FAST + tcp("a", server.port) + tcp("b", optional.port, "required = no"),
        f"agent_check = 127.0.0.1:{port}",
    )
    agent.wait_status("b", "healthy")
    assert wait_line(port, "up") == "up 100%\n"
    assert ask(port, b"agent-send, which is not read\n" * 100) == "up 100%\n"
    optional.down()
    agent.wait_status("b", "unhealthy")
    assert wait_line(port, "up 50") == "up 50%\n"
    server.down()
    line = wait_line(port, "down")
    assert line.startswith("down #a unhealthy: refused: ") and line.endswith("\n"), line
    assert f"127.0.0.1:{server.port}" in line and line.count("\n") == 1 and len(line) < 256
    server.up()
    optional.up()
    assert wait_line(port, "up 100%")
    agent.stop()


def test_agent_check_before_the_first_result(probe, serve):
    port = free_port()
    agent = probe.agent(
        FAST + tcp("a", serve(hostile.silent).port, "initial_delay = 1h"),
        f"agent_check = 127.0.0.1:{port}",
    )
    assert ask(port) == "down #a starting: no check has ended yet\n"
    agent.stop()


def test_agent_check_is_bounded(probe, serve):
    """Clients that stay cost others nothing, and nothing of theirs is kept for long."""
    port = free_port()
    agent = probe.agent(
        FAST + tcp("a", serve(hostile.silent).port), f"agent_check = 127.0.0.1:{port}"
    )
    agent.wait_status("a", "healthy")
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
    assert ask(port) == "up 100%\n"

    def open_fds():
        return len(os.listdir(f"/proc/{agent.pid}/fd"))

    assert open_fds() < 150
    for s in held:
        s.settimeout(5 * SLACK)
        assert s.recv(100) == b"up 100%\n"
    # The agent lets go of them by itself: each reads the end, and then writing is refused.
    wait_until(lambda: open_fds() < 40, 10, "the agent closes connections that stay")
    for s in held:
        s.close()
    agent.stop()


def test_agent_check_reload(probe, serve):
    first, second = free_port(), free_port()
    agent = probe.agent(
        FAST + tcp("a", serve(hostile.silent).port), f"agent_check = 127.0.0.1:{first}"
    )
    agent.wait_status("a", "healthy")
    text = agent.config.read_text()
    agent.config.write_text(text.replace(f":{first}", f":{second}"))
    assert agent.post("/reload").code == 200
    assert wait_line(second, "up 100%")
    assert refused(first)
    # An address that is taken: the reload is refused, and everything stays.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = taken.getsockname()[1]
        agent.config.write_text(text.replace(f":{first}", f":{other}"))
        answer = agent.post("/reload")
        assert answer.code == 422 and f"127.0.0.1:{other}" in answer.text, answer
        assert "agent_check" in answer.text
    assert ask(second) == "up 100%\n"
    agent.config.write_text(
        text.replace(f":{first}", f":{second}\nagent_check_not_ready = drain")
    )
    assert agent.post("/reload").code == 200
    assert ask(second) == "ready up 100%\n"
    # The same port on all addresses: the old socket makes room for the new one.
    agent.config.write_text(text.replace(f"127.0.0.1:{first}", f"0.0.0.0:{second}"))
    answer = agent.post("/reload")
    assert answer.code == 200, answer
    assert wait_line(second, "up 100%")
    agent.config.write_text(text.replace(f"agent_check = 127.0.0.1:{first}", ""))
    assert agent.post("/reload").code == 200
    assert refused(second)
    agent.stop()


def refused(port):
    try:
        ask(port)
        return False
    except ConnectionRefusedError:
        return True


class Stats:
    """HAProxy's stats socket."""

    def __init__(self, path):
        self.path = path

    def command(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5 * SLACK)
            s.connect(str(self.path))
            s.sendall(line.encode() + b"\n")
            text = b""
            while part := s.recv(65536):
                text += part
            return text.decode()

    def server(self):
        """The row of the server `app` in `show stat`."""
        lines = self.command("show stat").splitlines()
        names = lines[0].lstrip("# ").split(",")
        for line in lines[1:]:
            row = dict(zip(names, line.split(",")))
            if row.get("svname") == "app":
                return row
        raise AssertionError("no server app")

    def wait(self, status, weight=None):
        def there():
            try:
                row = self.server()
            except (ConnectionRefusedError, FileNotFoundError):
                return None  # it opens this socket after its port
            if row["status"].startswith(status) and (weight is None or row["weight"] == weight):
                return row
            return None

        try:
            return wait_until(there, 20, f"HAProxy says {status} {weight or ''}")
        except AssertionError as e:
            said = {k: v for k, v in self.server().items() if v not in ("", "0")}
            raise AssertionError(f"{e}; it says {said}") from None


def haproxy(start, probe, agent_port, backend_port):
    stats = Stats(probe.path("haproxy.sock"))
    front = free_port()
    start(
        servers.Haproxy,
        f"global\n stats socket {stats.path} mode 600 level admin\n"
        f"frontend f\n bind 127.0.0.1:{front}\n default_backend b\n"
        f"backend b\n server app 127.0.0.1:{backend_port} weight 100 "
        f"check inter 100ms agent-check agent-port {agent_port} agent-inter 100ms\n",
        front,
    )
    return stats


def test_haproxy_takes_the_server_out_and_in(probe, serve, start, nginx):
    server, optional = serve(hostile.silent), serve(hostile.silent)
    port = free_port()
    agent = probe.agent(
        FAST + tcp("a", server.port) + tcp("b", optional.port, "required = no"),
        f"agent_check = 127.0.0.1:{port}",
    )
    agent.wait_status("a", "healthy")
    stats = haproxy(start, probe, port, nginx.port)
    stats.wait("UP", "100")
    server.down()
    row = stats.wait("DOWN")
    # A connection that the server had not yet taken when it went is reset.
    assert re.search("a unhealthy: (refused|reset)", row["last_agt"] + row["agent_desc"]), row
    server.up()
    stats.wait("UP", "100")
    optional.down()
    stats.wait("UP", "50")
    optional.up()
    stats.wait("UP", "100")
    # An operator's own drain is not ended by `up`.
    stats.command("set server b/app state drain")
    stats.wait("DRAIN")
    server.down()
    stats.wait("DOWN")
    server.up()
    stats.wait("DRAIN")
    stats.command("set server b/app state ready")
    stats.wait("UP")
    agent.stop()


def test_haproxy_drains(probe, serve, start, nginx):
    server = serve(hostile.silent)
    port = free_port()
    agent = probe.agent(
        FAST + tcp("a", server.port),
        f"agent_check = 127.0.0.1:{port}\nagent_check_not_ready = drain",
    )
    agent.wait_status("a", "healthy")
    stats = haproxy(start, probe, port, nginx.port)
    stats.wait("UP", "100")
    server.down()
    assert wait_line(port, "drain").startswith("drain #a unhealthy: refused: ")
    stats.wait("DRAIN")
    # Back to `down`, and another address, meanwhile: the drain that was told is ended all the same.
    text = agent.config.read_text().replace("= drain", "= down")
    agent.config.write_text(text.replace(f"127.0.0.1:{port}", f"0.0.0.0:{port}"))
    assert agent.post("/reload").code == 200
    stats.wait("DOWN")
    server.up()
    stats.wait("UP", "100")
    agent.stop()


def test_agent_check_errors(probe):
    for value, words in (
        ("9798", "agent_check: \"9798\" has no port"),
        ("example.org:9798", "\"example.org\" is no IP address"),
        ("127.0.0.1:9797", "the same address and port as listen"),
        ("127.0.0.1:99999", "\"99999\" is not a port"),
    ):
        config = probe.write(
            "bad.ini", f"[agent]\nagent_check = {value}\n[probe a]\naddress = 127.0.0.1:1\n"
        )
        result = probe.run("validate", "-c", config)
        assert result.code == 78 and words in result.out + result.err, result
        assert f"{config}:2: agent.agent_check: " in result.out + result.err, result
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = probe.write(
            "taken.ini",
            f"[agent]\nsocket = {probe.path('x.sock')}\nlisten = off\n"
            f"agent_check = 127.0.0.1:{port}\n[probe a]\naddress = 127.0.0.1:1\n",
        )
        result = probe.run("run", "-c", config)
        assert result.code == 70, result
        assert f"agent_check: cannot listen on 127.0.0.1:{port}: the port is in use" in result.err
        assert not probe.path("x.sock").exists()


# ---- s6's readiness notification


def test_ready_fd(probe, serve):
    server = serve(hostile.silent)
    server.down()
    read, write = os.pipe()
    try:
        config = probe.write(
            "s6.ini",
            f"[agent]\nsocket = {probe.path('s6.sock')}\nlisten = off\nready_fd = {write}\n"
            "on_transition = sleep 1000\non_transition_timeout = 1h\n"  # a child beside it
            + FAST + tcp("a", server.port),
        )
        process = probe.spawn("run", "-c", config, pass_fds=[write])
        os.close(write)
        os.set_blocking(read, False)
        wait_until(lambda: b"unhealthy" in process.err_path.read_bytes(), 10, "a first verdict")
        with pytest.raises(BlockingIOError):
            os.read(read, 10)
        server.up()
        os.set_blocking(read, True)
        assert os.read(read, 10) == b"\n"
        closed, _, _ = select.select([read], [], [], 5 * SLACK)
        assert closed and os.read(read, 10) == b"", "closed, and in no child's hands"
        process.terminate()
        assert process.wait(10 * SLACK) == 0
    finally:
        os.close(read)


def test_ready_fd_errors(probe):
    head = f"[agent]\nsocket = {probe.path('s6.sock')}\nlisten = off\nready_fd = "
    result = probe.run("run", "-c", probe.write("a.ini", head + "77\n" + tcp("a", 1)))
    assert result.code == 78 and "agent.ready_fd: descriptor 77 is not open" in result.err
    result = probe.run("validate", "-c", probe.write("b.ini", head + "2\n" + tcp("a", 1)))
    assert result.code == 78 and "agent.ready_fd" in result.err + result.out
    # A number that the agent itself would use: it must not take its own for the supervisor's.
    result = probe.run("run", "-c", probe.write("c.ini", head + "3\n" + tcp("a", 1)))
    assert result.code == 78 and "descriptor 3 is not open" in result.err
    read, write = os.pipe()
    with open("/dev/null") as null:
        config = probe.write("d.ini", head + f"{null.fileno()}\n" + tcp("a", 1))
        result = probe.run("run", "-c", config, pass_fds=[null.fileno()])
        assert result.code == 78 and "is open for reading only" in result.err, result
    os.close(read)
    os.close(write)


def test_s6_supervise(probe, serve):
    """s6 itself takes the agent for ready when it is, and not before."""
    server = serve(hostile.silent)
    server.down()
    service = probe.path("service")
    service.mkdir()
    config = probe.write(
        "s6.ini",
        f"[agent]\nsocket = {probe.path('s6.sock')}\nlisten = off\nready_fd = 3\n"
        + FAST + tcp("a", server.port),
    )
    run = service / "run"
    run.write_text(f"#!/bin/sh\nexec {probe.binary} run -c {config} 2>{probe.path('log')}\n")
    run.chmod(0o755)
    (service / "notification-fd").write_text("3\n")
    supervise = subprocess.Popen(["s6-supervise", str(service)], env=probe.environ())

    def state():
        done = subprocess.run(["s6-svstat", "-o", "up,ready", service], capture_output=True, text=True)
        return done.stdout.strip()

    try:
        log = probe.path("log")
        wait_until(lambda: log.exists() and "unhealthy" in log.read_text(), 10, "a verdict")
        assert state() == "true false"
        server.up()
        wait_until(lambda: state() == "true true", 10, "s6 takes it for ready")
    finally:
        subprocess.run(["s6-svc", "-dx", service], check=True)
        supervise.wait(10 * SLACK)
