#!/usr/bin/python3
"""A MongoDB server that plays a part: states no real server can be put into here, and replies that
no right server gives. It listens on 127.0.0.1 (or --unix PATH) and prints its port on a line.

    mongo_scripted.py [--port P] [--unix PATH] [--set NAME] [--delay S] [SCENARIO ...]

With several scenarios the first connection gets the first, and so on; the last one goes on for all
that follow. --list prints their names.
"""

import argparse
import base64
import random
import socket
import struct
import sys
import threading
import time

import bson

from mongo_logins import (AUTH_FAILED, BAD_AUTH, NO_MECHANISM, aws, external, is_subject, is_user,
                          login, only, says)
from mongo_states import STATES
from mongo_talk import (NOT_FOUND, OP_REPLY, UNAUTHORIZED, Closed, Connection, answer, encode,
                        message, play, query_reply, right)

PIDFILE = "/tmp/docker-entrypoint-temp-mongod.pid"


def ping_scenario(doc):
    return lambda c: play(c, ping=doc)


def reply_scenario(make):
    """The first reply is made by `make(request id, right document)`; then silence."""

    def scenario(c):
        request, doc, _ = right(c)
        c.send(make(request, doc))
        c.wait_for_end()

    return scenario


def silent(c):
    c.wait_for_end()


def hello_then_silent(c):
    c.send(right(c)[2])
    c.wait_for_end()


def reset_after_hello(c):
    c.send(right(c)[2])
    time.sleep(0.02)  # the bytes must arrive before the reset takes them away
    c.reset()


def mid_ping(end):
    """Half of the reply to ping, then `end`."""

    def scenario(c):
        c.send(right(c)[2])
        c.send(right(c)[2][:20])
        time.sleep(0.02)
        end(c)

    return scenario


def close_after_hello(c):
    c.send(right(c)[2])
    raise Closed


def close_idle(c):
    """A server that ends each connection after one exchange."""
    c.send(right(c)[2])
    c.send(right(c)[2])
    raise Closed


def silent_idle(c):
    """Answers once, then never again on this connection."""
    close = [right(c)[2], right(c)[2]]
    c.send(b"".join(close))
    c.wait_for_end()


def garbage_idle(c):
    """Answers once, and then with garbage."""
    c.send(right(c)[2])
    c.send(right(c)[2])
    c.request()
    c.send(b"\xff" * 64)
    c.wait_for_end()


def reset_idle(c):
    """Answers once, and resets at the next request."""
    c.send(right(c)[2])
    c.send(right(c)[2])
    c.request()
    c.reset()


def sick_later(c):
    """Answers once, and then says that it is shutting down."""
    c.send(right(c)[2])
    c.send(right(c)[2])
    play(c, ping=SHUTDOWN)


def drip(c):
    while True:
        for byte in right(c)[2]:
            c.send(bytes([byte]))
            time.sleep(c.options.delay or 0.02)


def slow(c):
    while True:
        data = right(c)[2]
        time.sleep(c.options.delay or 0.3)
        c.send(data)


def half_closed(c):
    data = right(c)[2] + right(c)[2]
    c.send(data)
    c.sock.shutdown(socket.SHUT_WR)
    c.wait_for_end()


def cut_and_reset(bytes_sent):
    def scenario(c):
        c.send(right(c)[2][:bytes_sent])
        time.sleep(0.02)  # the bytes must arrive before the reset takes them away
        c.reset()

    return scenario


def close_mid(c):
    data = right(c)[2]
    c.request()  # left unread it would make the close a reset
    c.send(data[:60])


def mutated(c):
    """Right replies with a few bytes changed; the same ones for the same connection number."""
    rng = random.Random(c.number)
    while True:
        data = bytearray(right(c)[2])
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        c.send(bytes(data))


def mutated_ping(first, end=None):
    """Right replies but for one byte of ping's in [first:end], chosen by the connection's number,
    that no right client lets pass: any but the server's own request id and the optional flags."""

    def scenario(c):
        rng = random.Random(c.number)
        while True:
            request, command, query = c.request()
            doc = answer(c.options, command)
            if next(iter(command)) != "ping":
                c.send(query_reply(request, doc) if query else message(request, doc))
                continue
            data = bytearray(message(request, doc))
            at = rng.choice([i for i in range(len(data))[first:end] if i not in (4, 5, 6, 7, 18, 19)])
            data[at] = rng.choice([v for v in range(256) if v != data[at]])
            c.send(bytes(data))
            raise Closed

    return scenario


def checksum(c):
    """Right replies with a checksum, which a client may leave unread."""
    while True:
        request, doc, _ = right(c)
        c.send(message(request, doc, flags=1, tail=b"\1\2\3\4"))


def extra_bytes(c):
    first, second = right(c)[2], right(c)[2]
    c.send(first + second + b"more")
    c.wait_for_end()


def deep(depth):
    doc = b"\5\0\0\0\0"
    for _ in range(depth):
        doc = struct.pack("<i", len(doc) + 8) + b"\3a\0" + doc + b"\0"
    return doc


def login_later(c):
    """A member that starts up, and then is a primary that refuses the login."""
    for _ in range(2):
        request, command, _ = c.request()
        c.send(message(request, answer(c.options, command, "starting-up")))
    play(c, "primary", saslStart=AUTH_FAILED)


def old(c):
    """Before hello was known: MongoDB 3.6 to 4.4.1."""
    play(c, hello=NOT_FOUND, isMaster={"ismaster": True, "maxWireVersion": 6, "ok": 1.0})


INIT_ARGV = ["mongod", "--bind_ip", "127.0.0.1", "--port", "27017", "--pidfilepath", PIDFILE, "--fork"]
SHUTDOWN = {"ok": 0.0, "errmsg": "The server is in quiesce mode", "code": 91, "codeName": "ShutdownInProgress"}

SCENARIOS = {name: (lambda c, name=name: play(c, name)) for name in STATES}
SCENARIOS.update(
    {
        "old": old,
        "init": lambda c: play(c, getCmdLineOpts={"argv": INIT_ARGV, "parsed": {}, "ok": 1.0}),
        "auth-required": ping_scenario(UNAUTHORIZED),
        "guarded": lambda c: play(c, getCmdLineOpts=UNAUTHORIZED),
        "login": login(),
        "login-guarded": login(replaced={"getCmdLineOpts": UNAUTHORIZED}),
        "aws": aws,
        "plain": external("PLAIN", is_user),
        "x509": external("MONGODB-X509", is_subject),  # on a TLS socket, see tests/truth
        "login-cafe": login(password="caf\u00e9 IX"),
        "login-sha-1-raw": login(mechanisms=("SCRAM-SHA-1",), password="cafe\u0301\u00a0\u2168"),
        "login-users": login(db="users"),
        "login-sha-1": login(mechanisms=("SCRAM-SHA-1",)),
        "login-unnamed": login(mechanisms=()),
        "login-empty": login(empty=True),
        "login-endless": login(empty=True, change=only(2, done=False)),
        "login-false": login(change=only(1, payload=b"v=" + base64.b64encode(b"x" * 32))),
        "login-silent": login(change=only(1, payload=b"")),
        "login-no-payload": login(change=only(0, payload=None)),
        "login-garbage": login(change=only(0, payload=b"\xff" * 99)),
        "login-nonce": login(change=only(0, payload=b"r=other,s=MDEyMw==,i=4096")),
        "login-weak": login(iterations=1000),
        "login-costly": login(iterations=2000000000),
        "login-atlas": login(change=says(1, BAD_AUTH)),
        # They know no users yet.
        "login-not-initiated": lambda c: play(c, "not-initiated", saslStart=AUTH_FAILED),
        "login-starting-up": lambda c: play(c, "starting-up", saslStart=AUTH_FAILED),
        "login-later": login_later,
        "login-off": login(change=says(0, NO_MECHANISM)),
        "ping-ok0": ping_scenario(SHUTDOWN),
        "ping-no-ok": ping_scenario({"operationTime": bson.Timestamp(1, 1)}),
        "ping-ok-string": ping_scenario({"ok": "1"}),
        "ping-nan": ping_scenario({"ok": float("nan")}),
        "ping-ok-two": ping_scenario({"ok": 2.0}),
        "ping-ok-int": ping_scenario({"ok": 1}),
        "hello-ok0": lambda c: play(c, hello=SHUTDOWN),
        "silent": silent,
        "hello-then-silent": hello_then_silent,
        "close-after-hello": close_after_hello,
        "close-at-accept": lambda c: None,
        "reset-at-accept": lambda c: c.reset(),
        "reset-at-request": lambda c: (c.request(), c.reset()),
        "reset-after-hello": reset_after_hello,
        "reset-mid-ping": mid_ping(lambda c: c.reset()),
        "close-mid-ping": mid_ping(lambda c: None),
        "hello-hangs-mid-ping": mid_ping(lambda c: c.wait_for_end()),
        "reset-in-header": cut_and_reset(7),
        "reset-mid": cut_and_reset(60),
        "close-mid": close_mid,
        "half-closed": half_closed,
        "close-idle": close_idle,
        "silent-idle": silent_idle,
        "garbage-idle": garbage_idle,
        "reset-idle": reset_idle,
        "sick-later": sick_later,
        "checksum": checksum,
        "extra-bytes": extra_bytes,
        "drip": drip,
        "slow": slow,
        "mutated": mutated,
        "mutated-ping": mutated_ping(0),
        "mutated-body": mutated_ping(20, -1),
        "garbage": reply_scenario(lambda r, d: bytes(random.Random(1).randrange(256) for _ in range(99))),
        "http": reply_scenario(lambda r, d: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        "tls-alert": reply_scenario(lambda r, d: b"\x15\3\1\0\2\2\x16"),
        "bad-length": reply_scenario(lambda r, d: message(r, d, length=12)),
        "huge-length": reply_scenario(lambda r, d: message(r, d, length=0x7FFFFFFF)),
        "negative-length": reply_scenario(lambda r, d: message(r, d, length=-1)),
        "short-length": reply_scenario(lambda r, d: message(r, d, length=40)),
        "long-length": reply_scenario(lambda r, d: message(r, d, length=1000)),
        "wrong-request-id": reply_scenario(lambda r, d: message(r + 1000, d)),
        "wrong-opcode": reply_scenario(lambda r, d: message(r, d, opcode=OP_REPLY)),
        "more-to-come": reply_scenario(lambda r, d: message(r, d, flags=2)),
        "unknown-flag": reply_scenario(lambda r, d: message(r, d, flags=4)),
        "no-body": reply_scenario(lambda r, d: message(r, d, kind=1)),
        "broken-document": reply_scenario(lambda r, d: message(r, encode(d).replace(b"\1ok\0", b"\x2bok\0"))),
        "deep-document": reply_scenario(lambda r, d: message(r, deep(5000))),
        "checksum-bit": reply_scenario(lambda r, d: message(r, d, flags=1)),
    }
)


def serve(sock, options, number):
    scenario = options.scenario[min(number, len(options.scenario) - 1)]
    try:
        with sock:
            SCENARIOS[scenario](Connection(sock, options, number))
    except (Closed, OSError):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--unix", metavar="PATH")
    parser.add_argument("--set", metavar="NAME")
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("scenario", nargs="*", default=["up"], metavar="SCENARIO")
    options = parser.parse_args()
    if options.list:
        print("\n".join(sorted(SCENARIOS)))
        return
    for name in options.scenario:
        if name not in SCENARIOS:
            sys.exit("mongo_scripted.py: no scenario %s; --list names them" % name)
    if options.unix:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(options.unix)
    else:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", options.port))
        options.port = listener.getsockname()[1]
    listener.listen(128)
    print(options.port, flush=True)
    number = 0
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, options, number), daemon=True).start()
        number += 1


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
