"""TLS servers, and those on the way, that keep a client at work."""

import pytest
from figures import answer_time, resident
from lib.net import wait_until

HELLO_REQUEST = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"
EMPTY_RECORD = b"\x17\x03\x03\x00\x00"
BROKEN_OFF = b"\x16\x03\x03\x40\x00\x02\x00\xff\xff" + b"\0" * 16379  # of a message of 64 KiB


def endless(piece):
    """Sends it for as long as anybody takes it, in place of a handshake."""

    def behave(s):
        s.recv(1000)
        try:
            while True:
                s.sendall(piece * (65536 // len(piece)))
        except OSError:
            pass

    return behave


@pytest.mark.parametrize("piece", [HELLO_REQUEST, EMPTY_RECORD, BROKEN_OFF, b"\0" * 100],
                         ids=["hello requests", "empty records", "a message without end", "junk"])
@pytest.mark.parametrize("key", ["url = https://", "address = "], ids=["https", "tcp"])
def test_a_handshake_without_end_stops_nobody(probe, serve, key, piece):
    where = f"127.0.0.1:{serve(endless(piece)).port}"
    tls = "tls = yes\n" if key.startswith("address") else ""
    agent = probe.agent(f"[probe evil]\n{key}{where}\n{tls}interval = 50ms\ntimeout = 20s\nretries = 1\n"
                        f"[probe other]\naddress = {where}\ninterval = 50ms\n")
    wait_until(lambda: agent.probe("evil")["checks_total"] >= 2, 15, "its first checks")
    before = resident(agent)
    wait_until(lambda: agent.probe("evil")["checks_total"] >= 20, 15, "twenty checks of it")
    assert agent.probe("evil")["last"]["reason"] in ("protocol", "tls")
    assert agent.probe("other")["status"] == "healthy"
    assert answer_time(agent)[0] == 200
    assert resident(agent) < before + 1024 * 1024
