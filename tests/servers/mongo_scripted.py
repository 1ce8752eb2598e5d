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

from mongo_scram import Scram
from mongo_states import STATES

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
NOT_FOUND = {"ok": 0.0, "errmsg": "no such command", "code": 59, "codeName": "CommandNotFound"}
UNAUTHORIZED = {
    "ok": 0.0,
    "errmsg": "Command ping requires authentication",
    "code": 13,
    "codeName": "Unauthorized",
}
PIDFILE = "/tmp/docker-entrypoint-temp-mongod.pid"


class Closed(Exception):
    """The client went away, or the scenario is over."""


class Connection:
    def __init__(self, sock, options, number):
        self.sock = sock
        self.options = options
        self.number = number

    def bytes(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise Closed
            data += more
        return data

    def request(self):
        """The next command: its id, its document and whether it came in an OP_QUERY."""
        length, request_id, _, opcode = struct.unpack("<iiii", self.bytes(16))
        if length & 0xFFFF == 0x0316:  # TLS: a mongod without it hangs up as well
            raise Closed
        body = self.bytes(length - 16)
        if opcode == OP_QUERY:
            start = body.index(b"\0", 4) + 1 + 8
            return request_id, bson.decode(body[start:]), True
        return request_id, bson.decode(body[5:]), False

    def send(self, data):
        self.sock.sendall(data)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Closed

    def wait_for_end(self):
        """Says nothing more until the client gives up."""
        while self.sock.recv(4096):
            pass
        raise Closed


def encode(doc):
    return doc if isinstance(doc, bytes) else bson.encode(doc)


def message(to, doc, flags=0, kind=0, opcode=OP_MSG, tail=b"", length=None):
    body = struct.pack("<IB", flags, kind) + encode(doc) + tail
    return struct.pack("<iiii", 16 + len(body) if length is None else length, 4242, to, opcode) + body


def query_reply(to, doc):
    body = struct.pack("<iqii", 8, 0, 0, 1) + encode(doc)
    return struct.pack("<iiii", 16 + len(body), 4242, to, OP_REPLY) + body


def answer(options, command, state="up", **replaced):
    """What a right server answers; `replaced` by command."""
    name = next(iter(command))
    if name in replaced:
        return replaced[name]
    if name.lower() in ("hello", "ismaster"):
        return STATES[state](options)
    if name in ("ping", "endSessions"):
        return {"ok": 1.0}
    if name == "getCmdLineOpts":
        return {"argv": ["mongod", "--bind_ip_all"], "parsed": {}, "ok": 1.0}
    return NOT_FOUND


def play(c, state="up", **replaced):
    while True:
        request, command, query = c.request()
        doc = answer(c.options, command, state, **replaced)
        c.send(query_reply(request, doc) if query else message(request, doc))


def right(c):
    """The next request and the right reply to it."""
    request, command, query = c.request()
    doc = answer(c.options, command)
    return request, doc, query_reply(request, doc) if query else message(request, doc)


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


def old(c):
    """Before hello was known: MongoDB 3.6 to 4.4.1."""
    play(c, hello=NOT_FOUND, isMaster={"ismaster": True, "maxWireVersion": 6, "ok": 1.0})


AUTH_FAILED = {"ok": 0.0, "errmsg": "Authentication failed.", "code": 18, "codeName": "AuthenticationFailed"}


def sasl(payload, done=False):
    return {"conversationId": 7, "done": done, "payload": payload, "ok": 1.0}


def login(
    mechanisms=("SCRAM-SHA-1", "SCRAM-SHA-256"), change=lambda step, doc: doc, empty=False, replaced={},
    db="admin", **more
):
    """A server that pings only for who has logged in, to `db`. `change` spoils its login replies."""

    def scenario(c):
        scram, known, step = None, False, 0
        while True:
            request, command, query = c.request()
            name = next(iter(command))
            doc = answer(c.options, command, **replaced)
            if name == "hello" and mechanisms and "saslSupportedMechs" in command:
                doc["saslSupportedMechs"] = list(mechanisms)
            elif name == "ping" and not known:
                doc = UNAUTHORIZED
            elif name == "saslStart" and command["$db"] != db:
                doc = AUTH_FAILED
            elif name == "saslStart":
                scram = Scram(command["mechanism"], **more)
                doc = change(0, sasl(scram.first(command["payload"])))
            elif name == "saslContinue" and step == 0:
                proof = scram.last(command["payload"])
                doc = change(1, sasl(proof, done=not empty)) if proof else AUTH_FAILED
                known, step = bool(proof) and not empty, 1
            elif name == "saslContinue":
                doc = change(2, sasl(b"", done=True))
                known = True
            c.send(query_reply(request, doc) if query else message(request, doc))

    return scenario


def external(mechanism, knows):
    """Users of elsewhere: one command logs in, where `knows(c, command)`. MongoDB's specification
    "Authentication", MONGODB-X509 and PLAIN."""

    def scenario(c):
        known = False
        while True:
            request, command, query = c.request()
            name = next(iter(command))
            doc = answer(c.options, command)
            if name == "ping" and not known:
                doc = UNAUTHORIZED
            elif name in ("authenticate", "saslStart"):
                ours = (command.get("mechanism"), command.get("$db")) == (mechanism, "$external")
                known = ours and knows(c, command)
                doc = sasl(b"", done=True) if known else AUTH_FAILED
            c.send(query_reply(request, doc) if query else message(request, doc))

    return scenario


def is_user(c, command):
    payload = command["payload"]
    return payload in (b"\0user\0pencil", base64.b64encode(b"\0user\0pencil").decode())


def is_subject(c, command):
    """Whose certificate is it? The user may be left out: then it is the certificate's."""
    subject = ",".join("CN=" + v for part in c.sock.getpeercert()["subject"] for k, v in part if k == "commonName")
    return subject == "CN=client" and command.get("user", subject) == subject


def only(step, **fields):
    """Replaces fields of the login's reply number `step`."""
    return lambda at, doc: dict(doc, **fields) if at == step else doc


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
        "plain": external("PLAIN", is_user),
        "x509": external("MONGODB-X509", is_subject),  # on a TLS socket, see tests/truth
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
