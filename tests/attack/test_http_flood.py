"""An http target that floods: HTTP/2 frames without end, headers and bodies without end. Without a
share for each turn of the loop one such target stops every other check, the API and the signals."""

import ssl
import time

import pytest

from figures import answer_time, resident

SECOND = "timeout = 1s\ninterval = 100ms"
GROWTH = 4 << 20  # bytes; what the program of all libraries needs for a first TLS handshake is in it
LATE = 0.5  # s beyond what was asked for: a busy machine; without a share it is for ever
DATA, HEADERS, PRIORITY, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, UNKNOWN = (
    0, 1, 2, 4, 6, 7, 8, 9, 0x42)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


STATUS = frame(HEADERS, 4, 1, b"\x88")
FLOODS_2 = {
    "empty data": (STATUS, frame(DATA, 0, 1)),
    "priority": (b"", frame(PRIORITY, 0, 3, b"\0\0\0\0\x10")),
    "goaway": (b"", frame(GOAWAY, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0")),
    "1xx": (b"", frame(HEADERS, 4, 1, b"\x08\x03100\x08\x03100")),
    "window update": (b"", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01")),
    "unknown": (b"", frame(UNKNOWN, 0, 0)),
    "ping": (b"", frame(PING, 0, 0, b"abcdefgh")),
    "settings": (b"", frame(SETTINGS, 0, 0)),
    "continuation": (frame(HEADERS, 0, 1, b"\x88"), frame(CONTINUATION, 0, 1)),
}
FLOODS_1 = {
    "1xx": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "header": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;x=y\r\nz\r\n"),
    "extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 99),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096),
}
ATTACKS = [("http_version = 2", frame(SETTINGS, 0, 0) + head, unit, tls, f"HTTP/2 {name}{tls}")
           for name, (head, unit) in FLOODS_2.items() for tls in ("", " in TLS")]
ATTACKS += [("max_body = 64MiB\nexpect_body = zzz", head, unit, tls, f"HTTP/1 {name}{tls}")
            for name, (head, unit) in FLOODS_1.items()
            for tls in ("", " in TLS") if not tls or name == "body"]


def floods(head, unit):
    piece = unit * (65536 // len(unit))

    def behave(sock):
        sock.recv(65536)
        sock.sendall(head)
        while True:
            sock.sendall(piece)

    return behave


def within_tls(behave, pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.set_alpn_protocols(["h2", "http/1.1"])

    def secured(sock):
        with context.wrap_socket(sock, server_side=True) as tls:
            behave(tls)

    return secured


@pytest.mark.parametrize("keys, head, unit, tls", [a[:4] for a in ATTACKS],
                         ids=[a[4] for a in ATTACKS])
def test_a_target_that_floods(probe, serve, certs, keys, head, unit, tls):
    behave = floods(head, unit)
    evil = serve(within_tls(behave, certs.pair()) if tls else behave)
    good = serve(lambda sock: sock.recv(100))
    keys += f"\ntls_ca = {certs.ca}" if tls else ""
    agent = probe.agent(
        f"[probe evil]\nurl = http{'s' if tls else ''}://127.0.0.1:{evil.port}/\n{keys}\n{SECOND}\n"
        f"[probe good]\naddress = 127.0.0.1:{good.port}\ninterval = 100ms\ntimeout = 90ms\n")
    before = resident(agent)
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        assert answer_time(agent)[1] < LATE
    checks = agent.probe("good")["checks_total"]
    last = agent.probe("evil")["last"]
    assert checks >= 5, agent.probe("good")
    assert last and not last["ok"] and last["duration_ms"] < 1000 * (1 + LATE), last
    if "http_version" in keys:  # frames that bring nothing are counted
        assert last["reason"] == "protocol" and last["duration_ms"] < 1000 * LATE, last
        assert probe.env.get("ASAN_OPTIONS") or resident(agent) < before + GROWTH
    # A pattern over a body without end takes more than the share of a check.
    costly = "expect_body" in keys and last["reason"] == "internal" and "may take 5 ms" in last["detail"]
    assert costly or last["reason"] in ("timeout", "protocol", "mismatch", "closed"), last
    agent.stop()  # within a second
