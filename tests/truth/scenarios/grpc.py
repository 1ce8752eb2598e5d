"""grpc: scripted servers of HTTP/2. The real one is in tests/e2e/test_grpc.py."""

import socket

from lib import hostile
from scenarios.common import Situation, becomes, black_hole, nobody, serves, told
from table import HEALTHY, UNHEALTHY, rows

SHORT = "timeout = 400ms"


def at(where):
    return f"url = grpc://{where}/shop.Cart"


def frame(kind, flags, stream, body=b""):
    return (len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body)


def field(name, value):
    """A literal header field without indexing (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(*fields, status=b"200", kind=b"application/grpc", end=False):
    block = b"\x88" if status == b"200" else field(b":status", status)
    if kind:
        block += field(b"content-type", kind)
    return frame(1, 5 if end else 4, 1, block + b"".join(field(*f) for f in fields))


def trailers(code, message=b""):
    block = field(b"grpc-status", code) + (field(b"grpc-message", message) if message else b"")
    return frame(1, 5, 1, block)


def message(data, flag=0):
    return frame(0, 0, 1, bytes([flag]) + len(data).to_bytes(4, "big") + data)


SERVING, NOT_SERVING, UNKNOWN, NO_SERVICE = b"\x08\1", b"\x08\2", b"", b"\x08\3"
OK = trailers(b"0")


def takes_call(sock):
    """Reads the preface and frames up to the end of the request; SETTINGS are acknowledged."""

    def take(n):
        data = b""
        while len(data) < n:
            more = sock.recv(n - len(data))
            if not more:
                return data
            data += more
        return data

    sock.sendall(frame(4, 0, 0))
    take(24)
    while len(first := take(9)) == 9:
        take(int.from_bytes(first[:3], "big"))
        if first[3] == 4 and not first[4]:
            sock.sendall(frame(4, 1, 0))
        elif first[3] == 0 and first[4] & 1:
            return True
    return False


def answers(*parts, then=hostile.silent):
    def behave(sock):
        if takes_call(sock):
            for part in parts:
                sock.sendall(part)
            then(sock)

    return behave


def drips(data):
    return answers(then=hostile.drip(data))


def closes(sock):
    pass


def ends(sock):
    sock.shutdown(socket.SHUT_WR)
    hostile.silent(sock)


def says(*parts, how, **kw):
    return serves(at, answers(*parts, **kw), how)


def unix(behave, how, rest=":/shop.Cart"):
    def make(stage):
        path = stage.program.path("app.sock")
        if behave:
            stage.serve(behave, path=path)
        return Situation(f"url = grpc+unix://{path}{rest}")

    return told(how, make)


UP = (head(), message(SERVING), OK)

# fmt: off
ROWS = rows(
    "grpc",
    ("SERVING", says(*UP, how="SERVING"), HEALTHY, "ok", "", {"detail": "shop.Cart SERVING"}),
    ("SERVING, IPv6", serves(at, answers(*UP), "SERVING on ::1", ipv6=True), HEALTHY, "ok"),
    ("Unix socket", unix(answers(*UP), "SERVING on a Unix socket"), HEALTHY, "ok", "",
        {"detail": "shop.Cart SERVING"}),
    ("Unix socket, the server as a whole", unix(answers(*UP), "SERVING", ""), HEALTHY, "ok"),
    ("Unix socket missing", unix(None, "no such socket"), UNHEALTHY, "refused"),
    ("SERVING, then closed", says(*UP, how="SERVING and FIN", then=ends), HEALTHY, "ok"),
    ("SERVING by application/grpc+proto", says(head(kind=b"application/grpc+proto"),
        message(SERVING), OK, how="the longer Content-Type"), HEALTHY, "ok"),
    ("SERVING with more fields", says(head(), message(b"\x12\2ab\x08\1\x18\5"), OK,
        how="fields that are not known"), HEALTHY, "ok"),
    ("SERVING after GOAWAY", says(frame(7, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0"), *UP,
        how="GOAWAY, and the call is finished"), HEALTHY, "ok"),
    ("dripped", serves(at, drips(b"".join(UP)), "its answer byte by byte"), HEALTHY, "ok"),
    ("NOT_SERVING", says(head(), message(NOT_SERVING), OK, how="NOT_SERVING"), UNHEALTHY,
        "mismatch", "", {"detail": "NOT_SERVING"}),
    ("UNKNOWN", says(head(), message(UNKNOWN), OK, how="an empty message"), UNHEALTHY, "mismatch",
        "", {"detail": ": UNKNOWN"}),
    ("SERVICE_UNKNOWN", says(head(), message(NO_SERVICE), OK, how="SERVICE_UNKNOWN"), UNHEALTHY,
        "mismatch", "", {"detail": "SERVICE_UNKNOWN"}),
    ("NOT_FOUND", says(head((b"grpc-status", b"5"), (b"grpc-message", b"unknown%20service"),
        end=True), how="NOT_FOUND in the head"), UNHEALTHY, "mismatch", "",
        {"detail": "NOT_FOUND.*: unknown service"}),
    ("NOT_FOUND in trailers", says(head(), trailers(b"5"), how="NOT_FOUND in the trailers"),
        UNHEALTHY, "mismatch", "", {"detail": "NOT_FOUND"}),
    ("UNIMPLEMENTED", says(head((b"grpc-status", b"12"), end=True), how="UNIMPLEMENTED"),
        UNHEALTHY, "mismatch", "", {"detail": "no health service"}),
    ("UNAVAILABLE", says(head((b"grpc-status", b"14"), (b"grpc-message", b"draining"), end=True),
        how="UNAVAILABLE"), UNHEALTHY, "mismatch", "", {"detail": "UNAVAILABLE: draining"}),
    ("UNAUTHENTICATED", says(head((b"grpc-status", b"16"), end=True), how="UNAUTHENTICATED"),
        UNHEALTHY, "auth"),
    ("PERMISSION_DENIED", says(head((b"grpc-status", b"7"), end=True), how="PERMISSION_DENIED"),
        UNHEALTHY, "auth"),
    ("DEADLINE_EXCEEDED", says(head((b"grpc-status", b"4"), end=True), how="DEADLINE_EXCEEDED"),
        UNHEALTHY, "timeout", "", {"by": lambda row, stage: early(row, stage)}),
    ("SERVING, then an error", says(head(), message(SERVING), trailers(b"13", b"oops"),
        how="a message, and INTERNAL behind it"), UNHEALTHY, "mismatch", "",
        {"detail": "INTERNAL: oops"}),
    ("SERVING without a status", says(head(), frame(0, 1, 1, b"\0\0\0\0\2\x08\1"),
        how="no trailers"), UNHEALTHY, "protocol"),
    ("status that is no number", says(head(), message(SERVING), trailers(b"ok"),
        how="grpc-status: ok"), UNHEALTHY, "protocol"),
    ("OK without a message", says(head(), OK, how="no message"), UNHEALTHY, "protocol"),
    ("two messages", says(head(), message(SERVING), message(SERVING), OK, how="two messages"),
        UNHEALTHY, "protocol"),
    ("compressed", says(head(), message(SERVING, flag=1), OK, how="a compressed message"),
        UNHEALTHY, "protocol"),
    ("message of another kind", says(head(), message(b"\xff\xff\xff"), OK, how="no protobuf"),
        UNHEALTHY, "protocol"),
    ("status beyond", says(head(), message(b"\x08\x63"), OK, how="status 99"), UNHEALTHY,
        "protocol"),
    ("too long", says(head(), frame(0, 0, 1, bytes(8000)), OK, how="8,000 bytes"), UNHEALTHY,
        "protocol"),
    ("HTML", says(head(kind=b"text/html"), frame(0, 1, 1, b"<html>"), how="a page of HTML"),
        UNHEALTHY, "protocol", "", {"detail": "not gRPC"}),
    ("502", says(head(status=b"502", kind=b"text/html", end=True), how="a proxy's 502"),
        UNHEALTHY, "mismatch", "", {"detail": "HTTP 502"}),
    ("404", says(head(status=b"404", kind=b"text/plain", end=True), how="404"), UNHEALTHY,
        "protocol", "", {"detail": "HTTP 404"}),
    ("401", says(head(status=b"401", kind=None, end=True), how="401"), UNHEALTHY, "auth"),
    ("HTTP/1", serves(at, hostile.reply(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "speaks HTTP/1"), UNHEALTHY, "protocol", "", {"detail": "HTTP/1"}),
    ("another protocol", serves(at, hostile.banner(b"SSH-2.0-OpenSSH_9.2\r\n"), "an SSH server"),
        UNHEALTHY, "protocol", SHORT),
    ("RST_STREAM", says(frame(3, 0, 1, b"\0\0\0\x07"), how="REFUSED_STREAM"), UNHEALTHY,
        "protocol", "", {"detail": "REFUSED_STREAM"}),
    ("RST_STREAM after the head", says(head(), frame(3, 0, 1, b"\0\0\0\2"),
        how="INTERNAL_ERROR within the answer"), UNHEALTHY, "protocol"),
    ("GOAWAY", says(frame(7, 0, 0, b"\0\0\0\0\0\0\0\0"), how="takes no more calls"), UNHEALTHY,
        "protocol", "", {"detail": "GOAWAY"}),
    ("closes after the call", says(how="reads the call and closes", then=closes), UNHEALTHY,
        "closed|reset"),
    ("closes within the answer", says(head(), how="the head, then FIN", then=closes), UNHEALTHY,
        "closed|reset"),
    ("resets after the call", says(how="reads the call and resets", then=hostile.reset_at_once),
        UNHEALTHY, "reset"),
    ("accepts and says nothing", serves(at, hostile.silent, "never says a word"), UNHEALTHY,
        "timeout", SHORT),
    ("takes the call, says nothing", says(how="no answer"), UNHEALTHY, "timeout", SHORT),
    ("head, then silence", says(head(), how="only the head"), UNHEALTHY, "timeout", SHORT),
    ("message, then silence", says(head(), message(SERVING), how="SERVING without trailers"),
        UNHEALTHY, "timeout", SHORT),
    ("refused", nobody(at), UNHEALTHY, "refused"),
    ("black-holed", black_hole(at), UNHEALTHY, "timeout", SHORT),
    ("begins to serve", becomes(at, answers(head(), message(NOT_SERVING), OK), answers(*UP),
        "NOT_SERVING, then SERVING"), UNHEALTHY, "mismatch", "", {"then": (HEALTHY, "ok")}),
)


def early(row, stage):
    """The server's own deadline comes at once: it is not held against ours."""
    situation = row.situation(stage)
    config = stage.program.write("probe.ini", f"[probe x]\n{situation.keys}\n{row.lines}\n")
    r = stage.program.run("check", "--json", "-c", config, "x")
    last = r.json["probes"][0]["last"]
    assert r.code == 1 and last["reason"] == "timeout" and "DEADLINE_EXCEEDED" in last["detail"], str(r)
