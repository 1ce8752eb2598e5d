"""`probe run`: transitions against real servers, API, reload, signals, sockets, logs."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from lib import hostile, servers
from lib.net import SLACK, free_port, wait_until

FAST = "[defaults]\ninterval = 100ms\ntimeout = 2s\nretries = 2\n"


def tcp(name, port, more=""):
    return f"[probe {name}]\ntype = tcp\naddress = 127.0.0.1:{port}\n{more}\n"


def listen_lines(agent):
    return [line for line in agent.log_lines() if "level=error" in line or "level=warn" in line]


def test_from_starting_to_healthy_to_unhealthy_and_back(probe, start):
    """The quick start's promise: all four types, real servers, one of them killed."""
    mongo, nginx = start(servers.Mongo), start(servers.Nginx)
    agent = probe.agent(
        FAST
        + f"[probe db]\nuri = {mongo.uri}\n[probe web]\nurl = {nginx.url}\n"
        + tcp("port", nginx.port)
        + f"[probe app]\npid = {nginx.pid}\n"
    )
    for name in ("db", "web", "port", "app"):
        agent.wait_status(name, "healthy")
    assert agent.get("/ready").code == 200
    mongo.down()
    db = agent.wait_status("db", "unhealthy")
    assert db["last"]["reason"] == "refused" and db["failing_streak"] >= 2
    assert agent.get("/ready").code == 503 and "db" in agent.get("/ready").text
    assert agent.probe("web")["status"] == "healthy"
    nginx.down()
    for name in ("web", "port", "app"):
        agent.wait_status(name, "unhealthy")
    assert agent.probe("app")["last"]["reason"] == "not-running"
    mongo.up()
    nginx.up()
    for name in ("db", "web", "port"):
        agent.wait_status(name, "healthy")
    agent.stop()


def test_status_command(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port) + tcp("b", server.port, "required = no"))
    agent.wait_status("a", "healthy")
    agent.wait_status("b", "healthy")
    for address in (agent.socket, f"http://127.0.0.1:{agent.port}"):
        r = probe.run("status", "--agent", address)
        assert r.code == 0 and "healthy" in r.out, str(r)
    r = probe.run("status", "a", env={"PROBE_AGENT": agent.socket})
    assert r.code == 0 and len(r.lines) == 3 and r.lines[1].startswith("a "), str(r)
    r = probe.run("status", "--json", "--agent", agent.socket)
    assert r.code == 0 and [p["name"] for p in r.json["probes"]] == ["a", "b"], str(r)
    r = probe.run("status", "aa", "--agent", agent.socket)
    assert r.code == 64 and "a" in r.err, str(r)
    server.down()
    agent.wait_status("a", "unhealthy")
    agent.wait_status("b", "unhealthy")
    r = probe.run("status", "a", "--agent", agent.socket)
    assert r.code == 1 and "refused" in r.out, str(r)
    r = probe.run("status", "--agent", agent.socket)
    assert r.code == 1, str(r)
    agent.stop()
    r = probe.run("status", "--agent", agent.socket)
    assert r.code == 69, str(r)


def test_starting_is_1(probe, port):
    agent = probe.agent(FAST + tcp("a", port, "start_period = 1h"))
    r = probe.run("status", "a", "--agent", agent.socket)
    assert r.code == 1 and "starting" in r.out, str(r)


def test_status_of_something_that_is_no_agent_is_69(probe, serve):
    server = serve(hostile.silent)
    r = probe.run("status", "--timeout", "500ms", "--agent", f"http://127.0.0.1:{server.port}")
    assert r.code == 69, str(r)
    garbage = serve(hostile.garbage)
    r = probe.run("status", "--timeout", "2s", "--agent", f"http://127.0.0.1:{garbage.port}")
    assert r.code == 69, str(r)


def test_a_stopped_agent_is_stale_not_healthy(probe, serve):
    """SIGSTOP and on again: what it knew is too old to be believed until checked anew."""
    server = serve(hostile.silent)
    agent = probe.agent(
        "[defaults]\ninterval = 100ms\ntimeout = 100ms\nretries = 1\n" + tcp("a", server.port)
    )
    agent.wait_status("a", "healthy")
    agent.kill(signal.SIGSTOP)
    try:
        r = probe.run("status", "--timeout", "500ms", "--agent", agent.socket)
        assert r.code == 69, str(r)
    finally:
        agent.kill(signal.SIGCONT)
    agent.wait_status("a", "healthy")


def test_live_socket_is_refused_and_dead_one_replaced(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port))
    second = probe.agent(FAST + tcp("a", server.port), f"socket = {agent.socket}\nlisten = off",
                         start=False)
    r = probe.run("run", "-c", second.config)
    assert r.code not in (0, 2) and str(agent.socket) in r.err, str(r)
    assert agent.get("/live").code == 200, "the first one lost its socket"
    agent.kill(signal.SIGKILL)
    agent.wait()
    assert agent.socket.exists()
    agent.start()
    agent.wait_status("a", "healthy")
    agent.stop()


def test_something_else_at_the_sockets_path_is_left_alone(probe, port):
    path = probe.write("precious", "data")
    agent = probe.agent(tcp("a", port), f"socket = {path}\nlisten = off", start=False)
    r = probe.run("run", "-c", agent.config)
    assert r.code not in (0, 2) and str(path) in r.err, str(r)
    assert path.read_text() == "data"


def test_port_in_use_is_a_clear_error(probe, serve, port):
    taken = serve(hostile.silent)
    agent = probe.agent(tcp("a", port), f"listen = 127.0.0.1:{taken.port}", start=False)
    r = probe.run("run", "-c", agent.config)
    assert r.code not in (0, 2) and f"127.0.0.1:{taken.port}" in r.err and "use" in r.err, str(r)
    assert not agent.socket.exists()


def test_socket_mode(probe, port):
    agent = probe.agent(tcp("a", port))
    assert agent.socket.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_within_a_second_whatever_hangs(probe, serve, number):
    server = serve(hostile.silent)
    agent = probe.agent(
        "[defaults]\ninterval = 100ms\ntimeout = 1h\n"
        + "".join(f"[probe h{i}]\nurl = http://127.0.0.1:{server.port}/\n" for i in range(5))
        + "".join(f"[probe m{i}]\nuri = mongodb://127.0.0.1:{server.port}/\n" for i in range(5))
        + "".join(f"[probe w{i}]\ncommand = /bin/sleep 3600\n" for i in range(3))
        + tcp("t", server.port, "send = x\nexpect = y")
    )
    wait_until(lambda: server.connections >= 11, 10, "every check hangs")
    agent.stop(number)


def test_stops_while_clients_hang(probe, port):
    agent = probe.agent(tcp("a", port))
    held = []
    for i in range(5):
        s = socket.create_connection(("127.0.0.1", agent.port))
        s.sendall([b"", b"GET /sta", b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
                   b"GET /status/a?wait=healthy&timeout=30s HTTP/1.1\r\nHost: x\r\n\r\n",
                   b"POST /check/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"][i])
        held.append(s)
    assert agent.get("/live").code == 200
    agent.stop()
    for s in held:
        s.close()


def test_reload_keeps_state_and_a_bad_one_changes_nothing(probe, serve):
    a, b = serve(hostile.silent), serve(hostile.silent)
    first = FAST + tcp("a", a.port) + tcp("b", b.port)
    agent = probe.agent(first)
    before = agent.wait_status("a", "healthy")
    agent.wait_status("b", "healthy")

    agent.configure(FAST + tcp("a", a.port) + tcp("c", b.port))
    agent.kill(signal.SIGHUP)
    wait_until(lambda: agent.get("/status/c").code != 404, 10, "c is known")
    after = agent.probe("a")
    assert after["since"] == before["since"] and after["status"] == "healthy"
    assert after["checks_total"] >= before["checks_total"]
    assert agent.get("/status/b").code == 404
    agent.wait_status("c", "healthy")

    agent.configure(
        FAST + tcp("a", a.port) + "[probe d]\ntype = tcp\naddress = oops\n" + tcp("e", 1, "colour = 1")
    )
    r = agent.post("/reload")
    assert r.code == 422 and "colour" in r.text and "address" in r.text, r.text
    agent.kill(signal.SIGHUP)
    wait_until(lambda: agent.log().count("colour") >= 1, 10, "the log names the error")
    assert agent.probe("c")["status"] == "healthy"
    assert agent.probe("a")["since"] == before["since"]

    agent.configure(first)
    assert agent.post("/reload").code == 200
    assert agent.probe("a")["since"] == before["since"]
    agent.wait_status("b", "healthy")
    agent.stop()


def test_reload_while_checks_hang(probe, serve):
    server = serve(hostile.silent)
    hang = f"[probe h]\nurl = http://127.0.0.1:{server.port}/\ntimeout = 1h\n"
    agent = probe.agent(hang)
    wait_until(lambda: server.connections, 10, "it hangs")
    agent.configure(hang.replace("1h", "2h"))
    assert agent.post("/reload").code == 200
    wait_until(lambda: server.connections >= 2, 10, "the new one runs")
    assert agent.probe("h")["failures_total"] == 0, "a cancelled check was counted"
    agent.stop()


def test_writing_is_for_the_socket_only(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent("[defaults]\ninterval = 1h\n" + tcp("a", server.port))
    agent.wait_status("a", "healthy")
    for path in ("/reload", "/check/a"):
        assert agent.post(path, tcp=True).code in (403, 404, 405)
    r = agent.post("/check/a")
    assert r.code == 200 and "true" in r.text, r
    assert agent.probe("a")["checks_total"] == 2
    server.down()
    assert agent.post("/check/a").json is not None
    assert agent.probe("a")["last"]["reason"] == "refused"


def test_status_waits_for_healthy(probe, serve):
    server = serve(hostile.silent)
    server.down()
    agent = probe.agent(FAST + tcp("a", server.port))
    agent.wait_status("a", "unhealthy")
    r = agent.get("/status/a?wait=healthy&timeout=300ms")
    assert r.code == 503
    server.up()
    r = agent.get("/status/a?wait=healthy&timeout=30s")
    assert r.code == 200 and r.json["status"] == "healthy"


def test_unknown_name_is_404_naming_the_known(probe, port):
    agent = probe.agent(tcp("a", port))
    r = agent.get("/status/nope")
    assert r.code == 404 and "a" in r.text


def test_metrics_are_in_the_prometheus_format(probe, serve, port):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port) + tcp("b.c-d_e", port))
    agent.wait_status("a", "healthy")
    r = agent.get("/metrics", tcp=True)
    assert r.code == 200
    done = subprocess.run(["promtool", "check", "metrics"], input=r.text.encode(),
                          capture_output=True)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode() + r.text


def test_events_stream_transitions(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent(FAST + tcp("a", server.port))
    agent.wait_status("a", "healthy")
    with socket.create_connection(("127.0.0.1", agent.port), timeout=20 * SLACK) as s:
        s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream = s.makefile("rb")

        def read_until(word):
            for line in stream:
                if word in line:
                    return line
            raise AssertionError(f"the stream ended without {word}")

        read_until(b"data:")
        server.down()
        assert b'"a"' in read_until(b"unhealthy")
        server.up()
        read_until(b'"healthy"')


def test_page_for_people(probe, port):
    agent = probe.agent(tcp("a", port))
    r = agent.get("/", tcp=True)
    assert r.code == 200 and "text/html" in r.headers["content-type"]


def test_a_healthy_agent_is_silent(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent("[defaults]\ninterval = 20ms\n" + tcp("a", server.port))
    agent.wait_status("a", "healthy")
    wait_until(lambda: "healthy" in agent.log(), 10, "the transition is logged")
    before = agent.log()
    checks = agent.probe("a")["checks_total"]
    wait_until(lambda: agent.probe("a")["checks_total"] > checks + 20, 10, "twenty more checks")
    assert agent.log() == before


LOGFMT = re.compile(r'^(?:[a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^ "=]*))(?: [a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^ "=]*))*$')


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_every_log_line_parses(probe, serve, form):
    evil = b'HTTP/1.1 500 "quoted" \\ level=info\x1b[0m\r\nContent-Length: 0\r\n\r\n'
    server = serve(hostile.reply_and_close(evil))
    agent = probe.agent(
        FAST + f"[probe a]\nurl = http://127.0.0.1:{server.port}/\n", f"log_format = {form}"
    )
    agent.wait_status("a", "unhealthy")
    server.down()
    wait_until(lambda: agent.probe("a")["last"]["reason"] == "refused", 10, "refused")
    agent.stop()
    lines = agent.log_lines()
    assert any("unhealthy" in line for line in lines), agent.log()
    for line in lines:
        if form == "json":
            said = json.loads(line)
            if "probe" in said:
                assert type(said["failing_streak"]) is int and type(said["duration_ms"]) is float, line
                assert ("reason" in said) == (said["failing_streak"] > 0), line
        else:
            assert LOGFMT.match(line), line
            if " probe=" in line:
                assert re.search(r" failing_streak=\d+ duration_ms=\d+\.\d+$", line), line
                assert " reason=ok" not in line and " took=" not in line, line
        assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line), line


def test_after_blocks_and_does_not_blame(probe, serve):
    network, app = serve(hostile.silent), serve(hostile.silent)
    agent = probe.agent(FAST + tcp("network", network.port) + tcp("app", app.port, "after = network"))
    agent.wait_status("app", "healthy")
    network.down()
    agent.wait_status("network", "unhealthy")
    assert agent.wait_status("app", "blocked")["blocked_by"] == ["network"]
    assert agent.probe("network")["blocked_by"] == []
    row = probe.run("status", "--agent", agent.socket, "app")
    assert row.code == 1 and re.search(r"^app +blocked +\S+ ago +- +- +not checked while network is down", row.out, re.M)
    seen = app.connections
    more = agent.probe("network")["checks_total"] + 5
    wait_until(lambda: agent.probe("network")["checks_total"] >= more, 10, "network is checked")
    assert app.connections <= seen + 1, "a blocked probe is not checked"
    network.up()
    agent.wait_status("app", "healthy")


def test_levels_and_required(probe, serve, port):
    server = serve(hostile.silent)
    agent = probe.agent(
        FAST + tcp("up", server.port) + tcp("extra", port, "required = no")
        + tcp("life", server.port, "level = alive")
    )
    agent.wait_status("up", "healthy")
    agent.wait_status("extra", "unhealthy")
    agent.wait_status("life", "healthy")
    assert agent.get("/ready").code == 200 and agent.get("/live").code == 200
    assert agent.get("/ready").text.count("\n") == 1


def test_a_process_that_ends_is_seen_at_once(probe):
    child = subprocess.Popen(["sleep", "1000"])
    try:
        agent = probe.agent(
            f"[probe app]\npid = {child.pid}\ninterval = 1h\nretries = 1\n"
        )
        agent.wait_status("app", "healthy")
        child.kill()
        # Not reaped: a zombie is not running.
        app = agent.wait_status("app", "unhealthy")
        assert app["last"]["reason"] == "not-running"
    finally:
        child.kill()
        child.wait()


def test_as_pid_1_reaps_orphans(probe, serve):
    done = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True)
    if done.returncode != 0:
        pytest.skip("no pid name spaces here (needs root)")
    server = serve(hostile.silent)
    agent = probe.agent(
        FAST + tcp("a", server.port), start=False,
        prefix=["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
                'for i in 1 2 3; do (sh -c "sleep 0.2 &" &) ; done; exec "$@"', "sh"],
    )
    agent.start()
    agent.wait_status("a", "healthy")
    inner = int(open(f"/proc/{agent.pid}/task/{agent.pid}/children").read().split()[0])

    def children():
        return open(f"/proc/{inner}/task/{inner}/children").read().split()

    wait_until(lambda: not children(), 10, "every orphan is reaped")
    os.kill(inner, signal.SIGTERM)
    assert agent.wait() == 0


def test_sd_notify(probe, serve):
    server = serve(hostile.silent)
    path = probe.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.settimeout(20)
        agent = probe.agent(
            FAST + tcp("a", server.port), env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"}
        )
        said = b""

        def hear(word):
            nonlocal said
            end = time.monotonic() + 20  # the watchdog's messages would keep a lost word waiting
            while word not in said:
                assert time.monotonic() < end, f"{word} not in {said}"
                said += s.recv(4096) + b"\n"

        hear(b"READY=1\nSTATUS=not ready: 0 of 1 probes healthy; a starting: ")
        hear(b"WATCHDOG=1")
        hear(b"STATUS=ready: 1 of 1 probes healthy")
        said = b""
        server.down()
        hear(b"STATUS=not ready: 0 of 1 probes healthy; a unhealthy: refused: connect to 127.0.0.1")
        server.up()
        hear(b"STATUS=ready: 1 of 1 probes healthy")
        said = b""
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        agent.kill(signal.SIGHUP)
        hear(b"RELOADING=1\nMONOTONIC_USEC=")
        # systemd (Type=notify-reload) takes a time from before its signal for another reload's.
        hear(b"READY=1\nSTATUS=ready: 1 of 1 probes healthy\n")
        stamp = int(said.split(b"MONOTONIC_USEC=")[1].split()[0])
        assert before // 1000 <= stamp <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        agent.kill(signal.SIGTERM)
        hear(b"STOPPING=1")
        assert agent.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_promised_signals_count_though_found_ignored(probe, serve, number):
    """nohup ignores SIGHUP: the agent is reloaded by it all the same."""
    server = serve(hostile.silent)
    agent = probe.agent(
        FAST + tcp("a", server.port), prefix=("sh", "-c", f"trap '' {number.value}; exec \"$@\"", "sh")
    )
    agent.kill(number)
    if number == signal.SIGTERM:
        assert agent.wait() == 0
    else:
        wait_until(lambda: "reloaded" in agent.log(), 10, "the agent reloads")
        agent.stop()


def test_targets_of_the_command_line(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent("", args=[f"quick=tcp://127.0.0.1:{server.port}"])
    agent.wait_status("quick", "healthy")
    agent.stop()


def test_hostile_clients_do_not_delay_checks(probe, serve):
    server = serve(hostile.silent)
    agent = probe.agent("[defaults]\ninterval = 20ms\n" + tcp("a", server.port))
    agent.wait_status("a", "healthy")
    held = []
    for i in range(50):
        s = socket.create_connection(("127.0.0.1", agent.port))
        s.sendall((b"GET / HTTP/1.1\r\nX: " if i % 2 else b"\x16\x03\x01") + b"a" * 2000)
        held.append(s)
    before = agent.probe("a")["checks_total"]
    wait_until(lambda: agent.probe("a")["checks_total"] > before + 20, 10, "checks go on")
    for s in held:
        s.close()
    assert agent.probe("a")["status"] == "healthy"


def test_free_port_is_free():
    """The framework's own promise, since many tests rest on it."""
    ports = {free_port() for _ in range(20)}
    assert len(ports) == 20


def test_nothing_stays_in_shared_memory(probe):
    """The shared libmongoc keeps counters in a file there; killed processes must not fill it."""
    env = {"MONGOC_DISABLE_SHM": None}
    agent = probe.agent("[probe x]\ntype = process\npid = 1\n", env=env)
    pid = agent.pid
    agent.process.kill()
    agent.process.wait()
    assert not os.path.exists(f"/dev/shm/mongoc-{pid}")
