#!/usr/bin/python3
"""The servers of the ways in which a check may go, for the conformance suite: ways.py FOLDER TYPE WITHOUT

Writes FOLDER/ways.ini with one probe a way of that type, but WITHOUT, prints "ready" and serves until its stdin
ends. A new way is one entry of WAYS: the keys of its probe and what answers it.
"""

import functools
import os
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../servers"))

FOLDER = sys.argv[1]
HOLES = []  # sockets that stay open


def greet(sock, port):
    sock.sendall(b"ready\r\n")
    sock.recv(100)


def starttls(sock, port):
    greet(sock, port)
    sock.sendall(b"go\r\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    greet(context.wrap_socket(sock, server_side=True), port)


def http(sock, port):
    while sock.recv(4096):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n")


def redirect(sock, port):
    request = sock.recv(4096)
    hop = int(request.split(b" ")[1].strip(b"/") or 0) if request else 9
    if hop < 3:
        place = b"http://localhost:%d/%d" % (port, hop + 1)
        sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % place)
    else:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def http2(sock, port):
    """SETTINGS, then 200 without a body to each request."""
    frame = lambda kind, flags, stream, body=b"": len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body
    take = lambda n: sock.recv(n, socket.MSG_WAITALL) if not isinstance(sock, ssl.SSLSocket) else take_tls(sock, n)
    take(24)
    sock.sendall(frame(4, 0, 0))
    while True:
        head = take(9)
        if len(head) < 9:
            return
        take(int.from_bytes(head[:3], "big"))
        if head[3] == 4 and not head[4]:
            sock.sendall(frame(4, 1, 0))
        elif head[3] == 1:
            sock.sendall(frame(1, 5, int.from_bytes(head[5:], "big"), b"\x88"))


def take_tls(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            return data
        data += more
    return data


def mongo(scenario):
    def play(sock, port):
        import argparse

        from mongo_scripted import SCENARIOS, Connection

        options = argparse.Namespace(port=port, set="rs0", delay=0, unix=None)
        SCENARIOS[scenario](Connection(sock, options, 0))

    return play


def redis(sock, port):
    """Good answers of a master, to whatever is asked."""
    info = b"redis_mode:standalone\r\nloading:0\r\nrole:master\r\nconnected_slaves:1\r\n"
    answers = {b"AUTH": b"+OK\r\n", b"SELECT": b"+OK\r\n", b"PING": b"+PONG\r\n",
               b"INFO": b"$%d\r\n%s\r\n" % (len(info), info)}
    while request := sock.recv(4096):
        sock.sendall(b"".join(answers[w] for w in request.split(b"\r\n") if w in answers))


def mute(sock, port):
    """Says nothing, ever."""
    while sock.recv(4096):
        pass


def dns_reply(question):
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    return question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:] + record


def dns(sock, port):
    size = int.from_bytes(sock.recv(2, socket.MSG_WAITALL), "big")
    reply = dns_reply(sock.recv(size, socket.MSG_WAITALL))
    sock.sendall(len(reply).to_bytes(2, "big") + reply)


def postgres(login=False, how=""):
    def play(sock, port):
        import postgres_scripted as pg

        context = None
        if how:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate())
        pg.serve(pg.scram if login else None, tls=context)(sock)

    return play


def grpc(sock, port):
    """SERVING to one call, once its message is in."""
    frame = lambda kind, flags, stream, body=b"": len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body
    sock.sendall(frame(4, 0, 0))
    take_tls(sock, 24)
    while len(head := take_tls(sock, 9)) == 9:
        take_tls(sock, int.from_bytes(head[:3], "big"))
        if head[3] == 4 and not head[4]:
            sock.sendall(frame(4, 1, 0))
        elif head[3] == 0 and head[4] & 1:
            sock.sendall(frame(1, 4, 1, b"\x88\0\x0ccontent-type\x10application/grpc")
                         + frame(0, 0, 1, b"\0\0\0\0\2\x08\1") + frame(1, 5, 1, b"\0\x0bgrpc-status\0010"))


def mysql(sock, port):
    import mysql_scripted as my

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    my.serve(plugin="caching_sha2_password", tls=context)(sock)


# name: (type, what answers, how it listens, the keys)
WAYS = {
    "tcp plain": ("tcp", greet, "", "address = 127.0.0.1:{port}\nexpect = ready"),
    "tcp by name": ("tcp", greet, "", "address = localhost:{port}\nexpect = ready"),
    "tcp unix": ("tcp", greet, "unix", "address = unix://{path}\nexpect = ready"),
    "tcp dialogue": ("tcp", starttls, "", "address = localhost:{port}\ndialogue =\n expect ready\n send x\\n\n expect go\n tls\n expect ready\ntls_verify = no"),
    "tcp tls": ("tcp", greet, "tls", "address = 127.0.0.1:{port}\nexpect = ready\ntls = yes\ntls_verify = no"),
    "tcp tls doubted": ("tcp", greet, "doubts", "address = 127.0.0.1:{port}\nexpect = ready\ntls = yes\ntls_verify = no"),
    "http plain": ("http", http, "", "url = http://127.0.0.1:{port}/"),
    "http by name": ("http", http, "", "url = http://localhost:{port}/"),
    "http unix": ("http", http, "unix", "url = http://localhost/\nconnect_to = unix://{path}"),
    "http redirect": ("http", redirect, "", "url = http://localhost:{port}/\nfollow_redirects = yes"),
    "http tls": ("http", http, "tls", "url = https://127.0.0.1:{port}/\ntls_verify = no"),
    "http 2": ("http", http2, "h2", "url = https://127.0.0.1:{port}/\nhttp_version = 2\ntls_verify = no"),
    "mongo plain": ("mongo", mongo("up"), "", "uri = mongodb://127.0.0.1:{port}/"),
    "mongo by name": ("mongo", mongo("up"), "", "uri = mongodb://localhost:{port}/"),
    "mongo unix": ("mongo", mongo("up"), "unix", "uri = mongodb://{escaped}/"),
    "mongo tls": ("mongo", mongo("up"), "tls", "uri = mongodb://127.0.0.1:{port}/?tls=true\ntls_verify = no"),
    "mongo login": ("mongo", mongo("login"), "", "uri = mongodb://user:pencil@127.0.0.1:{port}/"),
    "mongo set": ("mongo", mongo("primary"), "", "uri = mongodb://localhost:{port},127.0.0.1:{port}/?replicaSet=rs0"),
    "mongo set left": ("mongo", mongo("secondary"), "", "uri = mongodb://127.0.0.1:{port},127.0.0.1:{mute}/?replicaSet=rs0"),
    "mongo set login": ("mongo", mongo("login"), "", "uri = mongodb://user:pencil@127.0.0.1:{port}/?directConnection=false"),
    "mongo driver": ("mongo", mongo("aws"), "", "uri = mongodb://user:pencil@127.0.0.1:{port}/?authMechanism=MONGODB-AWS"),
    "redis plain": ("redis", redis, "", "uri = redis://127.0.0.1:{port}"),
    "redis by name": ("redis", redis, "", "uri = redis://localhost:{port}/3"),
    "redis unix": ("redis", redis, "unix", "uri = redis+unix://{path}"),
    "redis tls": ("redis", redis, "tls", "uri = rediss://127.0.0.1:{port}\ntls_verify = no"),
    "redis login": ("redis", redis, "", "uri = redis://user:pencil@127.0.0.1:{port}\nrequire = master"),
    "dns by tcp": ("dns", dns, "", "query = dns+tcp://localhost:{port}/name.test"),
    "dns by udp": ("dns", dns_reply, "udp", "query = dns://127.0.0.1:{port}/name.test"),
    "dns cut": ("dns", dns, "cut", "query = dns://127.0.0.1:{port}/name.test"),
    "exec": ("exec", None, "", "command = /bin/echo well"),
    "exec sleeps": ("exec", None, "", "command = /bin/sleep 0.02"),
    "exec in a shell": ("exec", None, "", "command = /bin/sh -c '/bin/sleep 0.01; echo $A'\nenv = A=well\nexpect_output = well"),
    "postgres plain": ("postgres", postgres(), "", "uri = postgres://127.0.0.1:{port}"),
    "postgres by name": ("postgres", postgres(), "", "uri = postgres://localhost:{port}\nrequire = primary"),
    "postgres unix": ("postgres", postgres(), "pg", "uri = postgres:///?host={folder}&port={number}"),
    "postgres tls": ("postgres", postgres(how="tls"), "", "uri = postgres://127.0.0.1:{port}/?sslmode=require"),
    "postgres login": ("postgres", postgres(True), "", "uri = postgres://user:pencil@127.0.0.1:{port}"),
    "grpc": ("grpc", grpc, "", "url = grpc://127.0.0.1:{port}/x.Y"),
    "grpc by name": ("grpc", grpc, "", "url = grpc://localhost:{port}/"),
    "grpc tls": ("grpc", grpc, "h2", "url = grpcs://127.0.0.1:{port}/x.Y\ntls_verify = no"),
    "mysql plain": ("mysql", mysql, "", "uri = mysql://127.0.0.1:{port}"),
    "mysql by name": ("mysql", mysql, "", "uri = mysql://user:pencil@localhost:{port}"),
    "mysql unix": ("mysql", mysql, "unix", "uri = mysql:///?socket={path}"),
    "mysql tls": ("mysql", mysql, "", "uri = mysql://user:pencil@127.0.0.1:{port}/?ssl-mode=required\nrequire = writable"),
    "process pid": ("process", None, "", "pid = {pid}"),
}

# Those whose check never ends by itself: the server accepts and says nothing, or is a black hole.
SILENT = {
    "tcp": ["address = 127.0.0.1:{port}\nexpect = x", "address = 127.0.0.1:{port}\ntls = yes"],
    "http": ["url = http://127.0.0.1:{port}/", "url = https://localhost:{port}/"],
    "mongo": ["uri = mongodb://127.0.0.1:{port}/", "uri = mongodb://localhost:{port}/?tls=true",
              "uri = mongodb://localhost:{port},127.0.0.1:{port}/?replicaSet=rs0"],
    "redis": ["uri = redis://127.0.0.1:{port}", "uri = rediss://localhost:{port}"],
    "grpc": ["url = grpc://127.0.0.1:{port}/x", "url = grpcs://localhost:{port}/x"],
    "dns": ["query = dns+tcp://127.0.0.1:{port}/name.test"],
    "postgres": ["uri = postgres://127.0.0.1:{port}", "uri = postgres://localhost:{port}/?sslmode=require"],
}
for kind, all_keys in SILENT.items():
    for i, keys in enumerate(all_keys):
        WAYS["silent %s %d" % (kind, i)] = (kind, mute, "", keys)
        WAYS["silent hole %s %d" % (kind, i)] = (kind, mute, "hole", keys)


@functools.lru_cache
def certificate():
    path = FOLDER + "/server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", path + ".key", "-out", path],
        check=True, stderr=subprocess.DEVNULL,
    )
    return path, path + ".key"


def offers_session(sock):
    """Has the ClientHello that waits in the socket a pre_shared_key (RFC 8446 section 4.2.11)?"""
    hello = sock.recv(4096, socket.MSG_PEEK)
    at = 43 + 1 + hello[43]
    at += 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 1 + hello[at] + 2
    while at < len(hello):
        if hello[at:at + 2] == b"\0\x29":
            return True
        at += 4 + int.from_bytes(hello[at + 2:at + 4], "big")
    return False


def serve_one(sock, answer, context, port, doubts):
    try:
        with sock:
            if doubts and offers_session(sock):
                return
            if context:
                sock = context.wrap_socket(sock, server_side=True)
            answer(sock, port)
    except Exception:
        pass  # the client went away: that is what the suite does


def serve(listener, answer, context, port, doubts):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve_one, args=(sock, answer, context, port, doubts), daemon=True).start()


def serve_udp(sock, answer):
    while True:
        data, peer = sock.recvfrom(4096)
        sock.sendto(answer(data), peer)


def listen_udp(answer, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    threading.Thread(target=serve_udp, args=(sock, answer), daemon=True).start()
    return sock.getsockname()[1]


def dig_hole():
    """A port whose line of connections is full: what else is sent there is dropped."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    HOLES.append(listener)
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(listener.getsockname())
        HOLES.append(sock)
    return listener.getsockname()[1]


@functools.lru_cache
def mute_port():
    """Beside the one that a way is for: accepts, and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    threading.Thread(target=serve, args=(listener, mute, None, port, False), daemon=True).start()
    return port


def listen(answer, how, number):
    if how == "hole":
        return {"port": dig_hole()}
    if how == "udp":
        return {"port": listen_udp(answer, 0)}
    context = None
    if how in ("tls", "h2", "doubts"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate())
        if how == "h2":
            context.set_alpn_protocols(["h2"])
    port, path = 0, "%s/%d.sock" % (FOLDER, number)
    if how == "pg":
        path = "%s/.s.PGSQL.%d" % (FOLDER, number)
    if how in ("unix", "pg"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    listener.listen(64)
    if how == "cut":
        listen_udp(lambda question: question[:2] + b"\x83\x80" + question[4:], port)
    threading.Thread(target=serve, args=(listener, answer, context, port, how == "doubts"), daemon=True).start()
    return {"port": port, "mute": mute_port(), "path": path, "folder": FOLDER, "number": number, "escaped": path.replace("/", "%2F"), "pid": os.getpid()}


def main():
    with open(FOLDER + "/ways.ini", "w") as out:
        for number, (name, (kind, answer, how, keys)) in enumerate(WAYS.items()):
            if kind == sys.argv[2] and name != sys.argv[3]:
                where = listen(answer, how, number) if answer else {"pid": os.getpid()}
                out.write("[probe %s]\n%s\n\n" % (name.replace(" ", "-"), keys.format(**where)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
