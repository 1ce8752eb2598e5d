"""`warn`: a healthy probe that somebody should look at. It is told everywhere and counts nowhere."""

import json

import pytest
from lib import servers
from lib.net import wait_until

SLOW = "warn_after = 1ms\ninterval = 50ms\n"


@pytest.fixture
def slow(serve):
    """Answers after a while that is longer than warn_after, or at once."""
    import threading

    class Server:
        pause = 0.02

    def behave(sock):
        while sock.recv(65536):
            threading.Event().wait(Server.pause)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    Server.url = f"http://127.0.0.1:{serve(behave).port}/"
    return Server


def test_check_tells_it_and_only_strict_fails(probe, slow):
    words = ("--set", "warn_after=1ms", f"web={slow.url}")
    r = probe.run("check", *words)
    assert r.code == 0 and r.out.split()[:2] == ["web", "warn"] and "warn_after is 1.0 ms" in r.out, str(r)
    assert probe.run("check", "--strict", *words).code == 1
    r = probe.run("check", "--json", *words)
    told = r.json["probes"][0]
    assert told["status"] == "healthy" and "it took" in told["warning"] and r.json["ready"], str(r)
    assert told["last"]["ok"] and told["last"]["warning"] == told["warning"], str(r)
    assert probe.run("check", "--strict", "--set", "warn_after=20s", f"web={slow.url}").code == 0


def test_wait_takes_it_for_a_success_unless_strict(probe, slow):
    words = ("--set", "warn_after=10ms", f"web={slow.url}")
    assert probe.run("wait", *words).code == 0
    r = probe.run("wait", "--strict", "--timeout", "300ms", *words)
    assert r.code == 124 and "waiting for web: warning: it took" in r.err and "gave up on web after" in r.err, str(r)
    assert r.err.count("waiting for web") == 1, "said once"
    waiting = probe.spawn("wait", "--strict", "--set", "warn_after=15ms", f"web={slow.url}")
    wait_until(lambda: "warning: it took" in waiting.err_path.read_text(), 20, "it waits")
    slow.pause = 0
    wait_until(lambda: waiting.poll() == 0, 20, "what warns no more is ready")


def test_a_failure_does_not_warn(probe, port):
    r = probe.run("check", "--json", "--set", "warn_after=1ms", f"tcp://127.0.0.1:{port}")
    assert r.json["probes"][0]["warning"] is None and r.json["probes"][0]["last"]["warning"] is None, str(r)


def test_an_agent_tells_it_everywhere(probe, slow):
    agent = probe.agent(f"[probe web]\nurl = {slow.url}\nretries = 2\ntimeout = 20s\n{SLOW}")

    def warned():
        return agent.probe("web")["warning"]

    assert "warn_after is 1.0 ms" in wait_until(warned, 10, "it warns")
    assert agent.get("/ready").code == 200 and agent.probe("web")["status"] == "healthy"
    assert 'probe_warning{name="web"} 1' in agent.get("/metrics").text
    assert 'probe_healthy{name="web"} 1' in agent.get("/metrics").text
    assert "warning:</b>" in agent.get("/").text
    r = probe.run("status", "--agent", agent.socket)
    assert r.code == 0 and " warn " in r.out and "warn_after is" in r.out, str(r)
    assert probe.run("status", "--strict", "--agent", agent.socket).code == 1
    assert probe.run("status", "--strict", "--agent", agent.socket, "web").code == 1
    r = probe.run("explain", "-c", agent.config, "--agent", agent.socket, "web")
    assert "# a warning, which makes nothing fail: it took" in r.out, str(r)


def test_it_begins_and_ends_as_an_event(probe, slow):
    events = probe.path("events")
    tell = probe.write("tell", f"#!/bin/sh\ncat >>{events}\n", 0o700)
    agent = probe.agent(f"[probe web]\nurl = {slow.url}\nretries = 2\ntimeout = 20s\n"
                        "warn_after = 300ms\ninterval = 50ms\n", agent=f"on_transition = {tell}\n")
    agent.wait_status("web", "healthy")
    watch = probe.spawn("status", "--watch", "--agent", agent.socket)
    wait_until(lambda: watch.out_path.read_text(), 10, "it watches")

    def told(n):
        lines = events.read_text().splitlines() if events.exists() else []
        return [json.loads(line) for line in lines] if len(lines) >= n else None

    slow.pause = 0.5
    begun = wait_until(lambda: told(2), 20, "the warning is told")[1]
    assert (begun["from"], begun["to"], begun["reason"]) == ("healthy", "healthy", None), begun
    assert "warn_after is 300 ms" in begun["warning"], begun
    slow.pause = 0
    ended = wait_until(lambda: told(3), 20, "its end is told")[2]
    assert (ended["from"], ended["to"], ended["warning"]) == ("healthy", "healthy", None), ended
    wait_until(lambda: "warn -> healthy" in watch.out_path.read_text(), 10, "it is watched")
    assert "healthy -> warn  it took" in watch.out_path.read_text()
    assert 'msg=warning ' in agent.log() and 'msg="warning ended"' in agent.log(), agent.log()


def test_a_certificate_that_ends_soon_is_no_reason_not_to_be_ready(probe, start, certs):
    nginx = start(servers.Nginx, tls=certs.pair())
    agent = probe.agent(f"[probe web]\nurl = {nginx.url}\ntls_ca = {certs.ca}\ntls_min_days = 3650\n"
                        "retries = 1\ninterval = 50ms\ntimeout = 20s\n")
    warning = wait_until(lambda: agent.probe("web")["warning"], 10, "it warns")
    assert "the certificate expires on" in warning and agent.get("/ready").code == 200, warning
