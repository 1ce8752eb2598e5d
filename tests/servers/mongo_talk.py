"""What every part of mongo_scripted.py needs: a connection, its messages, a right server's answers."""

import socket
import struct

import bson

from mongo_states import STATES

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
NOT_FOUND = {"ok": 0.0, "errmsg": "no such command", "code": 59, "codeName": "CommandNotFound"}
UNAUTHORIZED = {
    "ok": 0.0,
    "errmsg": "Command ping requires authentication",
    "code": 13,
    "codeName": "Unauthorized",
}


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
