"""TCP servers that misbehave, each in threads of the test's own process. A behaviour is a function
of the accepted socket; the server can go down and come back on the same port."""

import random
import socket
import struct
import threading


def silent(sock):
    """Reads all and never answers."""
    while sock.recv(65536):
        pass


def close_at_once(sock):
    """Ends the connection in order, without a word."""


def reset_at_once(sock):
    """Answers with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reply(data):
    """Waits for a first byte, sends all of it, then waits for the peer to go."""

    def behave(sock):
        if sock.recv(65536):
            sock.sendall(data)
            silent(sock)

    return behave


def banner(data):
    """Sends it unasked, then waits for the peer to go."""

    def behave(sock):
        sock.sendall(data)
        silent(sock)

    return behave


def reply_and_close(data):
    def behave(sock):
        if sock.recv(65536):
            sock.sendall(data)

    return behave


def reply_and_reset(data):
    """A part of the answer, then RST."""

    def behave(sock):
        if sock.recv(65536):
            sock.sendall(data)
            reset_at_once(sock)

    return behave


def drip(data, pause=0.02):
    """A byte at a time."""

    def behave(sock):
        sock.recv(65536)
        gone = threading.Event()
        for i in range(len(data)):
            sock.sendall(data[i : i + 1])
            gone.wait(pause)

    return behave


def garbage(sock):
    sock.recv(65536)
    sock.sendall(random.Random(7).randbytes(4096))
    silent(sock)


def endless(head, unit):
    """`head`, then `unit` again and again for as long as the peer takes it."""

    def behave(sock):
        sock.recv(65536)
        sock.sendall(head)
        while True:
            sock.sendall(unit * 64)

    return behave


def http_reply(body=b"ok", status="200 OK", headers=()):
    """A right HTTP answer to each request of a connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def behave(sock):
        buffered = b""
        while True:
            data = sock.recv(65536)
            if not data:
                return
            buffered += data
            while b"\r\n\r\n" in buffered:
                _, buffered = buffered.split(b"\r\n\r\n", 1)
                sock.sendall(whole)

    return behave


ENDLESS_HEADERS = endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n")
ENDLESS_BODY = endless(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 1024)


class Server:
    """Listens on 127.0.0.1:port (or on ::1, another `host`, or a Unix path) and gives every
    connection to `behave` in a thread of its own."""

    def __init__(self, behave, port=None, path=None, ipv6=False, host="127.0.0.1"):
        self.behave, self.port, self.path, self.ipv6 = behave, port, path, ipv6
        self.host = "::1" if ipv6 else host
        self.connections = 0
        self.listener = None
        self.lock = threading.Lock()
        self.open = set()
        self.up()

    def up(self):
        if self.path:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self.path))
        else:
            listener = socket.socket(socket.AF_INET6 if self.ipv6 else socket.AF_INET)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
        listener.listen(64)
        self.listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self.behave(sock)
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()

    def down(self):
        """Refuses from now on, and drops every connection."""
        if self.listener:
            # accept() in the other thread returns only by shutdown, not by close.
            try:
                self.listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.listener.close()
            self.listener = None
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    close = down
