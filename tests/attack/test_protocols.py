"""Servers of a database's protocol that keep a client at work, or have it pile up what it answers."""

import re
import struct

import pytest
from figures import RESIDENT_MAX, answer_time, resident
from lib.net import wait_until


def packet(number, body):
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def message(kind, body):
    return kind + struct.pack(">I", len(body) + 4) + body


def greeting(plugin):
    return packet(0, b"\x0a8.0.0\0" + bytes(4) + b"12345678\0" + b"\x00\xa2\x21\2\0\x08\0\x15" +
                  bytes(10) + b"123456789012\0" + plugin + b"\0")


MYSQL = f"uri = mysql://u:{'p' * 200}@HOST/?ssl-mode=DISABLED"
SWITCH = packet(2, b"\xfemysql_native_password\0" + b"n" * 20 + b"\0")
SEND = packet(2, b"\x01\x03")
POSTGRES = "uri = postgres://u:p@HOST/d?sslmode=disable"
FLOODS = {
    "mysql: another login": (MYSQL, greeting(b"mysql_native_password"), SWITCH, "protocol"),
    "mysql: go on": (MYSQL, greeting(b"caching_sha2_password"), SEND, "protocol"),
    "mysql: a packet of 16 MiB": (MYSQL, b"\xff\xff\xff\0\x0a", b"x" * 100, "protocol"),
    "postgres: notices": (POSTGRES, b"", message(b"N", b""), "timeout"),
    "postgres: long notices": (POSTGRES, b"", message(b"N", b"x" * 40000), "timeout"),
    "postgres: a message of 2 GiB": (POSTGRES, b"", b"N\x7f\xff\xff\xff", "protocol"),
    "redis: arrays in arrays": ("uri = redis://HOST", b"", b"*1\r\n", "protocol"),
    "redis: a text without end": ("uri = redis://HOST\nrequire = master", b"+PONG\r\n$999999999\r\n",
                                  b"x" * 100, "protocol"),
    "redis: a line without end": ("uri = redis://HOST", b"+", b"x" * 100, "protocol"),
}


def floods(greets, unit):
    def behave(sock):
        sock.sendall(greets)
        if sock.recv(65536):
            while True:
                sock.sendall(unit * (65536 // len(unit)))

    return behave


def judged(probe, keys, where, every, checks, reason):
    """The agent after so many checks of the evil server; another check of it went on meanwhile."""
    agent = probe.agent(f"[probe evil]\n{keys.replace('HOST', where)}\ninterval = {every}\ntimeout = {every}\n"
                        f"retries = 1\n[probe other]\naddress = {where}\ninterval = 50ms\n")
    wait_until(lambda: agent.probe("evil")["checks_total"] >= checks, 15, "its first checks")
    assert agent.probe("evil")["last"]["reason"] == reason
    assert agent.probe("other")["status"] == "healthy"
    assert probe.env.get("ASAN_OPTIONS") or resident(agent) < RESIDENT_MAX
    return agent


@pytest.mark.parametrize("keys, head, unit, reason", FLOODS.values(), ids=FLOODS)
def test_a_server_that_floods(probe, serve, keys, head, unit, reason):
    greets = head if keys is MYSQL else b""
    where = f"127.0.0.1:{serve(floods(greets, unit if greets else head + unit)).port}"
    agent = judged(probe, keys, where, "300ms", 4, reason)
    assert answer_time(agent)[0] == 200


@pytest.mark.parametrize("iterations, reason", [(200000, "timeout"), (4000000000, "protocol")])
def test_a_login_that_is_dear(probe, serve, iterations, reason):
    """SCRAM: the client does as much work as the server says. On another thread, and with a limit."""

    def behave(sock):
        if not sock.recv(65536):
            return
        sock.sendall(message(b"R", struct.pack(">I", 10) + b"SCRAM-SHA-256\0\0"))
        nonce = re.search(rb"r=([^,\0]+)", sock.recv(65536)).group(1)
        sock.sendall(message(b"R", struct.pack(">I", 11) + b"r=" + nonce + b"abc,s=QUJDRA==,i=%d" % iterations))
        while sock.recv(65536):
            pass

    where = f"127.0.0.1:{serve(behave).port}"
    judged(probe, POSTGRES, where, "1s", 2, reason)
