"""More behaviours for lib.hostile.Server: functions of the accepted socket."""

import gzip
import os
import socket
import ssl
import threading

from lib import hostile


def pause(sock, seconds):
    """Waits, but not longer than the peer is there. Returns whether it still is."""
    sock.settimeout(seconds)
    try:
        return sock.recv(1) != b""
    except TimeoutError:
        return True
    finally:
        sock.settimeout(None)


def late(seconds, behave):
    def act(sock):
        if pause(sock, seconds):
            behave(sock)

    return act


def half_closed(data):
    """Sends it and ends its own direction; goes on listening."""

    def behave(sock):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        hostile.silent(sock)

    return behave


def reset_after(data):
    """Sends it unasked, then RST."""

    def behave(sock):
        sock.sendall(data)
        hostile.reset_at_once(sock)

    return behave


def early(data):
    """Sends that after the first byte, and is gone: what it has not read makes that a reset."""

    def behave(sock):
        if sock.recv(1):
            sock.sendall(data)

    return behave


def request(sock):
    """Reads a request's head; None when the peer is gone. What follows it is left in the socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(1 if data.endswith((b"\r", b"\n")) else 65536)
        if not more:
            return None
        data += more
    return data


def answer(*parts, then="close"):
    """Reads the request and sends the parts; a number is a pause in seconds. `then`: close, reset,
    silent (waits for the peer to go), or next (request)."""

    def behave(sock):
        while request(sock) is not None:
            for part in parts:
                if isinstance(part, bytes):
                    sock.sendall(part)
                else:
                    threading.Event().wait(part)
            if then == "reset":
                hostile.reset_at_once(sock)
            elif then == "silent":
                hostile.silent(sock)
            if then != "next":
                return

    return behave


def head(status="200 OK", *headers, version="1.1"):
    return "\r\n".join([f"HTTP/{version} {status}", *headers, "", ""]).encode()


def page(body, *headers, status="200 OK"):
    return head(status, f"Content-Length: {len(body)}", *headers) + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = "Transfer-Encoding: chunked"


def zipped(body):
    return page(gzip.compress(body), "Content-Encoding: gzip")


def by_path(pages, otherwise=None):
    """Of a dictionary of path to whole reply; each connection serves many requests."""

    def behave(sock):
        while (seen := request(sock)) is not None:
            path = seen.split()[1].decode()
            sock.sendall(pages.get(path) or otherwise or page(b"", status="404 Not Found"))

    return behave


def demands(line, good=None, bad=None):
    """A good reply to a request that has this header line, else the bad one."""

    def behave(sock):
        while (seen := request(sock)) is not None:
            has = line.lower().encode() in seen.lower()
            sock.sendall((good or page(b"ok")) if has else (bad or page(b"", status="400 Bad")))

    return behave


def idle(seconds, last):
    """Serves requests; a connection that was idle that long after one gets `last` and is closed."""

    def behave(sock):
        sock.settimeout(None)
        while True:
            try:
                if request(sock) is None:
                    return
            except TimeoutError:
                sock.settimeout(None)
                sock.sendall(last)
                return
            sock.sendall(page(b"ok"))
            sock.settimeout(seconds)

    return behave


def tls(behave, pair, client_ca=None, **settings):
    """The behaviour behind a TLS handshake; settings: attributes of the SSLContext."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, pair))
    if client_ca:
        context.load_verify_locations(str(client_ca))
        context.verify_mode = ssl.CERT_REQUIRED
    ciphers = settings.pop("ciphers", None)
    if ciphers:
        context.set_ciphers(ciphers)
    for key, value in settings.items():
        setattr(context, key, value)

    def act(sock):
        with context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as inner:
            try:
                inner.do_handshake()
                behave(inner)
            except ssl.SSLError:
                # Its alert is under way: to close with the request unread would reset it away.
                with socket.socket(fileno=os.dup(inner.fileno())) as raw:
                    hostile.silent(raw)

    return act
