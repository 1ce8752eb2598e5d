"""Ports that are free and stay so, and waiting for a condition instead of sleeping."""

import os
import random
import socket
import time

# Under the sanitizers, in an emulator, and where others keep the cores busy, all takes longer; only deadlines know
# about it.
def slack():
    busy = min(8, max(1, os.getloadavg()[0] / os.cpu_count() / 2))
    return busy * (6 if os.environ.get("PROBE_EMULATED") else 4 if os.environ.get("PROBE_SANITIZED") else 2)


SLACK = slack()  # as the tests begin

_reserved = []


def free_port():
    """A port on 127.0.0.1 that no other test of any process gets while this process lives.

    It is below the system's range for outgoing connections, and a name in the abstract socket
    space, gone with the process, keeps the others off it.
    """
    for _ in range(1000):
        port = random.randrange(12000, 32000)
        guard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            guard.bind(f"\0probe-test-port-{port}")
        except OSError:
            guard.close()
            continue
        with socket.socket() as trial, socket.socket(socket.AF_INET6) as trial6:
            try:
                trial.bind(("127.0.0.1", port))
                trial6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                trial6.bind(("::1", port))
            except OSError:
                guard.close()
                continue
        _reserved.append(guard)
        return port
    raise RuntimeError("no free port")


def wait_until(condition, timeout=10.0, what="the condition", every=0.01):
    """Returns the first true value of condition(); fails after `timeout` s (times the slack of then)."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > began + timeout * slack():
            raise AssertionError(f"not within {time.monotonic() - began:g} s: {what}")
        time.sleep(every)


def accepts(port, host="127.0.0.1"):
    """Does something listen there?"""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.settimeout(1)
        return s.connect_ex((host, port)) == 0
