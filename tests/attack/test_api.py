"""Clients of the API that hold what they can get: places, memory, descriptors."""

import contextlib
import platform
import socket
import time

import pytest
from figures import API_MEMORY, answer_time, connect, cpu_seconds, descriptors, resident
from lib.net import SLACK, wait_until

DOWN = "[defaults]\ninterval = 1s\n[probe down]\naddress = 127.0.0.1:1\n"
HUNDRED = "[defaults]\ninterval = 1h\n" + "".join(
    f"[probe p{n}]\naddress = 127.0.0.1:1\n" for n in range(100))


@contextlib.contextmanager
def clients(agent, count, request, tcp=True):
    """As many, which ask and read nothing."""
    held = []
    try:
        for _ in range(count):
            s = connect(agent, tcp)
            s.sendall(request)
            held.append(s)
        yield held
    finally:
        for s in held:
            s.close()


def ask(path):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.mark.parametrize("request_", [
    ask("/status/p0?wait=healthy&timeout=5m"), ask("/events"), ask("/metrics") * 40,
    ask("/status") * 40, ask("/live") * 2000, b"", b"GET /live HTTP/1.1\r\nX: " + b"x" * 7000,
], ids=["wait", "events", "metrics", "status", "live", "nothing", "half a head"])
def test_who_holds_a_connection_shuts_nobody_out(probe, request_):
    """1,030 connections that ask for something long, or for nothing, and never read: a verdict is
    to be had by TCP and by the socket, the memory keeps its bound, the socket its event stream."""
    agent = probe.agent(HUNDRED)
    before = resident(agent)
    with clients(agent, 1030, request_):
        for tcp in (True, False, True):
            status, seconds = answer_time(agent, "/live", tcp)
            assert status == 200 and seconds < 0.1 * 10 * SLACK
        if not probe.env.get("ASAN_OPTIONS"):
            assert resident(agent) - before < API_MEMORY
        with connect(agent, tcp=False) as s:
            s.settimeout(10)
            s.sendall(b"GET /events HTTP/1.0\r\n\r\n")
            assert b" 200 " in s.recv(4096)
    wait_until(lambda: descriptors(agent) < 100, 10, "the descriptors are free again")


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "socket"])
@pytest.mark.parametrize("request_", [ask("/status/down?wait=healthy&timeout=5m"), ask("/events")],
                         ids=["wait", "events"])
def test_who_left_gives_the_place_back(probe, request_, tcp):
    """Clients that ask for what takes minutes and go: their places would be missing to others."""
    agent = probe.agent(DOWN)
    before = descriptors(agent)
    with clients(agent, 15, request_, tcp):
        wait_until(lambda: descriptors(agent) > before + 8, 10, "they are in")
    wait_until(lambda: descriptors(agent) < before + 5, 5, "they are out")


def test_who_reads_no_events_is_cut_off(probe):
    """A listener that takes nothing of the present state of very many probes loses its place."""
    many = "[defaults]\ninterval = 1h\n" + "".join(
        f"[probe {'p' * 50}{n}]\naddress = 127.0.0.1:1\n" for n in range(4000))
    agent = probe.agent(many)
    with connect(agent) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(ask("/events"))
        assert s.recv(12) == b"HTTP/1.1 200"
        before = descriptors(agent)
        wait_until(lambda: descriptors(agent) < before, 40, "the listener is cut off")


def test_half_a_request_and_the_end_is_not_kept(probe):
    agent = probe.agent(DOWN)
    with clients(agent, 50, b"GET /live HT") as held:
        for s in held:
            s.shutdown(socket.SHUT_WR)
        for s in held:
            s.settimeout(5 * SLACK)
            assert s.recv(1) == b""


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "socket"])
def test_who_ends_its_writing_side_gets_the_answer(probe, tcp):
    """`nc -N`, socat: the request, a FIN, then the answer."""
    agent = probe.agent(DOWN)
    agent.wait_status("down", "unhealthy", 10)
    requests = ["GET /status", "GET /status?wait=healthy&timeout=100ms", "GET /metrics"]
    for request in requests if tcp else [*requests, "POST /check/down"]:
        with connect(agent, tcp) as s:
            s.sendall(f"{request} HTTP/1.0\r\n\r\n".encode())
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while part := s.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 ") and b"down" in answer, (request, answer)


def test_a_page_of_another_name_gets_nothing_on_loopback(probe):
    """DNS rebinding: a browser asks 127.0.0.1 for a page of evil.example."""
    agent = probe.agent(DOWN)
    for host, code in [("evil.example", 421), (f"evil.example:{agent.port}", 421), ("127.0.0.1", 200),
                       (f"localhost:{agent.port}", 200), ("[::1]", 200), (socket.gethostname(), 200)]:
        answer = agent.get("/live", tcp=True, headers={"Host": host})
        assert answer.code == code, (host, answer.text)
        assert code == 200 or "misdirected" in answer.text
    assert agent.get("/live", headers={"Host": "evil.example"}).code == 200


FORBID_ACCEPT = """
import ctypes, os, struct, sys
# if the system call is accept4 (288 on x86-64): EPERM, else allowed
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 288), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(text))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of a system call")
def test_accept_that_is_forbidden_does_not_spin(probe, port):
    """A policy refuses accept4(2): both listeners rest between their tries."""
    agent = probe.agent(DOWN, agent=f"agent_check = 127.0.0.1:{port}", start=False,
                        prefix=["/usr/bin/python3", "-c", FORBID_ACCEPT])
    agent.process = probe.spawn("run", "-c", agent.config, prefix=agent.prefix)
    wait_until(lambda: "watches" in agent.log(), 10, "the agent has started")
    held = [socket.create_connection(("127.0.0.1", p)) for p in (agent.port, port)]
    start, used = time.monotonic(), cpu_seconds(agent)
    wait_until(lambda: time.monotonic() - start > 2, 5, "two seconds are over")
    spent = (cpu_seconds(agent) - used) / (time.monotonic() - start)
    for s in held:
        s.close()
    assert spent < 0.1
