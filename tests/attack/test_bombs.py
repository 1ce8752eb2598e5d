"""Replies that are small and unpack to much, or lead a parser in circles: gzip, JSON, HPACK, DNS, and a
program that writes or forks without end. Their check fails or is internal; the others go on."""

import gzip
import re
import socket
import struct
import threading

import pytest
from figures import RESIDENT_MAX, answer_time, resident
from lib import hostile
from lib.net import wait_until

MEGA = 1 << 20
JSON = "url = http://HOST/\nexpect_json = /a = 1"
GZIP = "url = http://HOST/\nheader = Accept-Encoding: gzip\nexpect_body = zzz"
HTTP_2 = "url = http://HOST/\nhttp_version = 2"
GRPC = "url = grpc://HOST/x"
DNS = "query = dns://HOST/example.test?type=A"


def gzipped(body):
    return hostile.http_reply(body, headers=("Content-Encoding: gzip",))


def frame(kind, flags, payload, stream=1):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def hpack_bomb():
    """A header of 4,000 bytes into the table, then 12,000 times the one byte that names it."""
    entry = b"\x40\x01x\x7f" + bytes([(4000 - 127) % 128 + 128, (4000 - 127) // 128]) + b"v" * 4000
    return frame(4, 0, b"", 0) + frame(1, 4, b"\x88" + entry + b"\xbe" * 12000)


def dns_answer(question, records, count):
    end = 12 + re.search(rb"\0", question[12:]).start() + 5
    return question[:2] + b"\x84\0\0\1" + struct.pack(">HHH", count, 0, 0) + question[12:end] + records, end


def dns_loop(question):
    """A name that is a pointer to itself."""
    end = dns_answer(question, b"", 0)[1]
    name = struct.pack(">H", 0xC000 | end)
    return [dns_answer(question, name + b"\0\1\0\1\0\0\0\1\0\4\1\2\3\4", 1)[0]]


def dns_circle(question):
    """A name that is an alias of itself, 250 times."""
    return [dns_answer(question, b"\xc0\x0c\0\5\0\1\0\0\0\1\0\2\xc0\x0c" * 250, 250)[0]]


def dns_flood(question):
    return [b"\0\0" + dns_answer(question, b"", 0)[0][2:]] * 500


class Udp:
    """A name server that sends what `replies` makes of a question."""

    def __init__(self, replies):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.replies = replies
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
                for reply in self.replies(question):
                    self.socket.sendto(reply, client)
            except OSError:
                return


BOMBS = {
    "json: [[[": (hostile.http_reply(b"[" * (MEGA - 1)), JSON),
    "json: numbers": (hostile.http_reply(b"[" + b"1," * 520000 + b"0]"), JSON),
    "json: one number": (hostile.http_reply(b'{"a":' + b"1" * (MEGA - 20) + b"}"), JSON),
    "json: one name": (hostile.http_reply(b"{" + b'"a":2,' * 140000 + b'"b":1}'), JSON),
    "json: depth": (hostile.http_reply(b'{"a":' * 170000), JSON),
    "gzip: 256 MiB": (gzipped(gzip.compress(b"\0" * (256 * MEGA))), GZIP + "\nmax_body = 64MiB"),
    "gzip: members": (gzipped(gzip.compress(b"") * 40000), GZIP),
    "gzip: blocks": (gzipped(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"\0\0\0\xff\xff" * 200000), GZIP),
    "gzip: json": (gzipped(gzip.compress(b"[" * (MEGA - 10))), GZIP + "\nexpect_json = /a = 1"),
    "hpack: http": (hostile.endless(hpack_bomb(), frame(1, 4, b"\xbe" * 16000)), HTTP_2),
    "hpack: grpc": (hostile.endless(hpack_bomb(), frame(1, 4, b"\xbe" * 16000)), GRPC),
    "grpc: pings": (hostile.endless(frame(4, 0, b"", 0), frame(6, 0, b"abcdefgh", 0)), GRPC),
    "dialogue": (hostile.endless(b"", b"ab" * 500), "address = HOST\ndialogue = send x\n  expect a(a|b){240}Z"),
    "dns: loop": (Udp, dns_loop, DNS),
    "dns: circle": (Udp, dns_circle, DNS),
    "dns: answers to nobody": (Udp, dns_flood, DNS),
    "exec: output": ('type = exec\ncommand = /bin/sh -c "yes"',),
    "exec: forks": ("type = exec\ncommand = /bin/sh -c \"trap '' TERM; while :; do sleep 9 & sleep 0.05; done\"",),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_hurts_its_own_check_alone(probe, serve, bomb):
    *server, keys = bomb
    other = serve(hostile.silent)
    port = Udp(server[1]).port if len(server) == 2 else serve(server[0]).port if server else 0
    agent = probe.agent(f"[probe bomb]\n{keys.replace('HOST', f'127.0.0.1:{port}')}\n"
                        "interval = 300ms\ntimeout = 300ms\nretries = 1\n"
                        f"[probe other]\naddress = 127.0.0.1:{other.port}\ninterval = 50ms\n")
    wait_until(lambda: agent.probe("bomb")["checks_total"] >= 4, 20, "its first checks")
    last = agent.probe("bomb")["last"]
    assert not last["ok"] and last["reason"] in ("internal", "mismatch", "protocol", "timeout"), last
    assert agent.probe("other")["status"] == "healthy"
    assert answer_time(agent)[0] == 200
    assert probe.env.get("ASAN_OPTIONS") or resident(agent) < RESIDENT_MAX
    agent.stop()
