"""postgres_scripted: a small PostgreSQL server for tests, which says what it is told to."""

import base64
import hashlib
import hmac
import os
import struct


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def auth(kind, body=b""):
    return message(b"R", struct.pack("!I", kind) + body)


def error(code, text, severity="FATAL"):
    fields = [b"S" + severity.encode(), b"V" + severity.encode(), b"C" + code.encode(), b"M" + text.encode()]
    return message(b"E", b"\0".join(fields) + b"\0\0")


READY = message(b"Z", b"I")
LET_IN = auth(0) + message(b"S", b"server_version\x0015.1\0") + message(b"K", b"\0" * 8) + READY


def row(*columns):
    body = struct.pack("!H", len(columns))
    for column in columns:
        data = column.encode()
        body += struct.pack("!I", len(data)) + data
    return message(b"T", b"\0\0") + message(b"D", body) + message(b"C", b"SELECT 1\0") + READY


PRIMARY = row("f", "off", "*", "configuration file")
STANDBY = row("t", "on", "*", "configuration file")


def take(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise OSError("the client is gone")
        data += more
    return data


def startup(sock):
    """The startup message's code and body."""
    (n,) = struct.unpack("!I", take(sock, 4))
    body = take(sock, n - 4)
    return struct.unpack("!I", body[:4])[0], body[4:]


def ask(sock):
    """The next message: its type and body."""
    kind = take(sock, 1)
    (n,) = struct.unpack("!I", take(sock, 4))
    return kind, take(sock, n - 4)


def scram(sock, password="pencil", iterations=4096, proves=True):
    """SCRAM-SHA-256; whether the client knows the password."""
    sock.sendall(auth(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))
    _, body = ask(sock)
    first = body.split(b"\0", 1)[1][4:].decode()
    bare = first[3:]
    nonce = bare.split("r=")[1] + "server"
    salt = os.urandom(16)
    challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={iterations}"
    sock.sendall(auth(11, challenge.encode()))
    _, body = ask(sock)
    final = body.decode()
    without = final[: final.rindex(",p=")]
    said = f"{bare},{challenge},{without}".encode()
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    mac = lambda key, data: hmac.new(key, data, "sha256").digest()
    client_key = mac(salted, b"Client Key")
    signature = mac(hashlib.sha256(client_key).digest(), said)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    if base64.b64decode(final[final.rindex(",p=") + 3 :]) != proof:
        sock.sendall(error("28P01", 'password authentication failed for user "user"'))
        return False
    proved = mac(mac(salted, b"Server Key"), said) if proves else b"x" * 32
    sock.sendall(auth(12, b"v=" + base64.b64encode(proved)))
    return True


def serve(login=None, answer=PRIMARY, tls=None, greeting=LET_IN):
    """A behaviour of the accepted socket. `login`: a function of it that says whether the client is
    let in; `tls`: an ssl.SSLContext, or a byte to answer SSLRequest with."""

    def behave(sock):
        code, _ = startup(sock)
        if code == 80877103:
            sock.sendall(b"S" if tls and not isinstance(tls, bytes) else tls or b"N")
            if tls and not isinstance(tls, bytes):
                sock = tls.wrap_socket(sock, server_side=True)
            code, _ = startup(sock)
        if login and not login(sock):
            return
        sock.sendall(greeting)
        while True:
            kind, _ = ask(sock)
            if kind == b"X":
                return
            sock.sendall(answer)

    return behave
