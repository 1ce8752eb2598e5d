"""mysql_scripted: a small MySQL server for tests, which says what it is told to."""

import hashlib
import subprocess

NONCE = b"12345678abcdefghijkl"
FRESH = b"lkjihgfedcba87654321"  # a switch of the plugin brings another one, as MySQL's does
OK = b"\0\0\0\2\0\0\0"
END = b"\xfe\0\0\2\0"
TLS, ALL = 0x800, 0xFFFFF7FF


def packet(number, body):
    return len(body).to_bytes(3, "little") + bytes([number & 255]) + body


def error(code, text, state="HY000"):
    return b"\xff" + code.to_bytes(2, "little") + (b"#" + state.encode() if state else b"") + text.encode()


def greeting(version="8.0.36", plugin="mysql_native_password", tls=False):
    can = (ALL | (TLS if tls else 0)).to_bytes(4, "little")
    return (b"\x0a" + version.encode() + b"\0" + b"\1\0\0\0" + NONCE[:8] + b"\0" + can[:2] + b"\x2d\2\0" + can[2:] +
            b"\x15" + b"\0" * 10 + NONCE[8:] + b"\0" + plugin.encode() + b"\0")


def take(sock):
    """The next packet: its number and body."""
    def exactly(n):
        data = b""
        while len(data) < n:
            more = sock.recv(n - len(data))
            if not more:
                raise OSError("the client is gone")
            data += more
        return data

    head = exactly(4)
    return head[3], exactly(int.from_bytes(head[:3], "little"))


def native(password, nonce=NONCE):
    once = hashlib.sha1(password).digest()
    mixed = hashlib.sha1(nonce + hashlib.sha1(once).digest()).digest()
    return bytes(a ^ b for a, b in zip(once, mixed))


def caching(password, nonce=NONCE):
    once = hashlib.sha256(password).digest()
    mixed = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mixed))


def opened(sealed, private, nonce):
    """A password that was sealed by RSA-OAEP and XOR with the nonce."""
    done = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", private, "-pkeyopt", "rsa_padding_mode:oaep"],
                          input=sealed, capture_output=True)
    return bytes(b ^ nonce[i % 20] for i, b in enumerate(done.stdout))


def parse(body):
    """User and answer of the login."""
    user, rest = body[32:].split(b"\0", 1)
    return user, rest[1 : 1 + rest[0]]


def result(*columns):
    """Bodies of the packets of a result with one row."""
    row = b"".join(bytes([len(c)]) + c.encode() for c in columns)
    return [bytes([len(columns)]), *[b"\3def" for _ in columns], END, row, END]


WRITABLE = result("0", "0", "0")


def serve(first=None, plugin="mysql_native_password", password=b"pencil", answer=WRITABLE, tls=None, switch=None,
          ping=OK, denied=None, cached=True, version="8.0.36", key=None):
    """A behaviour of the accepted socket. `first`: instead of the greeting; `tls`: an ssl.SSLContext; `switch`: a
    plugin that it switches to; `denied`: the error for every login; `cached`: caching_sha2_password has it; `key`: the
    files of an RSA key, public and private, for a password without TLS."""

    def behave(sock):
        sock.sendall(packet(0, first or greeting(version, plugin, tls is not None)))
        number, body = take(sock)
        if tls and len(body) == 32:
            sock = tls.wrap_socket(sock, server_side=True)
            number, body = take(sock)
        user, proof = parse(body)
        kind, nonce = plugin, NONCE
        if switch:
            kind, nonce = switch, FRESH
            sock.sendall(packet(number + 1, b"\xfe" + switch.encode() + b"\0" + FRESH + b"\0"))
            number, proof = take(sock)
        if kind == "sha256_password" and key and proof == b"\1":
            sock.sendall(packet(number + 1, b"\1" + key[0].read_bytes()))
            number, proof = take(sock)
            proof = opened(proof, key[1], nonce)
        right = {"mysql_native_password": native, "caching_sha2_password": caching}.get(kind, lambda p, _: p + b"\0")
        good = user == b"user" and proof == right(password, nonce)
        if kind == "caching_sha2_password" and proof and (not cached or good):
            sock.sendall(packet(number + 1, b"\1\3" if cached else b"\1\4"))
            number += 1
            if not cached:
                number, proof = take(sock)
                if key and proof == b"\2":
                    sock.sendall(packet(number + 1, b"\1" + key[0].read_bytes()))
                    number, proof = take(sock)
                    proof = opened(proof, key[1], nonce)
                good = user == b"user" and proof == password + b"\0"
        if denied or not good:
            text = error(1045, "Access denied for user 'x'@'y'", "28000")
            sock.sendall(packet(number + 1, denied or text))
            return
        sock.sendall(packet(number + 1, OK))
        while True:
            _, body = take(sock)
            if body == b"\1":
                return
            bodies = [ping] if body == b"\x0e" else answer
            sock.sendall(b"".join(packet(1 + i, b) for i, b in enumerate(bodies)))

    return behave
