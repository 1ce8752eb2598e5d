"""Right replies with bytes changed, over real sockets: no crash, no hang, and no verdict that is
healthy where an independent judge says that the reply is none.

One server in a network of its own answers at every address of 127/8; the address says which mutant
is meant, so that a mutant can be named and made again. `probe check` asks some hundred at a time."""

import json
import random
import re
import select
import socket
import ssl
import struct
import threading

import bson

import mongos
from lib.net import SLACK

PORT = 7000
BATCH = 250
INTERESTING = (0, 1, 0x0A, 0x0D, 0x20, 0x2D, 0x30, 0x39, 0x7F, 0x80, 0xFE, 0xFF)


def address_of(number):
    """From 127.1.0.1 on; never an address of other rows, never a network's own."""
    return f"127.{1 + number // 64000}.{number // 250 % 256}.{1 + number % 250}"


def number_of(address):
    _, a, b, c = map(int, address.split("."))
    return (a - 1) * 64000 + b * 250 + c - 1


def mutate(rng, data, edits=(1, 4), lengths=True):
    data = bytearray(data)
    for _ in range(rng.randint(*edits)):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(8 if lengths else 4)
        if kind < 2:
            data[at] = rng.choice(INTERESTING)
        elif kind < 4:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 4:
            del data[at : at + rng.randint(1, 8)]
        elif kind == 5:
            data[at:at] = bytes(rng.choice(INTERESTING) for _ in range(rng.randint(1, 8)))
        elif kind == 6:
            data[at:at] = data[at : at + rng.randint(1, 64)]
        else:
            del data[at:]
    return bytes(data)


class Kind:
    """One type of target. A reply is made by the number of its mutant alone."""

    share = 1  # of the count that is asked for
    timeout = 2  # seconds

    def rng(self, number):
        return random.Random(f"{type(self).__name__} {number}")

    def complete(self, data):
        """Is that a whole request? Then `answer` is sent, and the connection ended."""
        return bool(data)

    def may_be_healthy(self, number):
        """By a judge of its own, which rather says yes where a client may differ."""
        raise NotImplementedError

    def start(self, stage, network):
        pass


class Tcp(Kind):
    expect = rb"^\+PONG [0-9a-f]{8}\r\n"

    def keys(self, number):
        return f"address = {address_of(number)}:{PORT}\nsend = PING\nexpect = ^\\+PONG [0-9a-f]{{8}}\\r\\n\n"

    def answer(self, number, request):
        return mutate(self.rng(number), b"+PONG 0123abcd\r\n")

    def may_be_healthy(self, number):
        # A pattern sees a NUL as a blank.
        return re.match(self.expect, self.answer(number, b"").replace(b"\0", b" ")) is not None


class Http(Kind):
    body = b'{"status":"up","checks":[1,2,{"name":"db","ok":true}]}'
    replies = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(body), body),
        b"HTTP/1.0 200 OK\r\nX-A: b\r\n\r\n%s" % body,
    )

    def keys(self, number):
        return (
            f"url = http://{address_of(number)}:{PORT}/\nexpect_status = 200\n"
            "expect_json = /status = up\n"
        )

    def complete(self, data):
        return b"\r\n\r\n" in data

    def answer(self, number, request):
        return mutate(self.rng(number), self.replies[number % len(self.replies)])

    def may_be_healthy(self, number):
        data = self.answer(number, b"")
        if not re.match(rb"(?i)HTTP/[0-9.]* +200\b", data):
            # A 1xx before it is skipped by clients, and its end may have been made by a mutation.
            return bool(re.match(rb"(?i)HTTP/[0-9.]* +1\d\d\b", data))
        head, _, body = re.sub(rb"\r?\n\r?\n", b"\0\0", data, count=1).partition(b"\0\0")
        lengths = re.findall(rb"(?im)^content-length:\s*(\d+)", head)
        if lengths and all(len(body) < int(length) for length in lengths):
            return False
        # Whatever the framing, what is read as the document has to say so unchanged.
        return b'"status"' in body and b'"up"' in body


class Https(Http):
    """The same replies inside TLS: all that is said of them is the same."""

    share = 0.2
    timeout = 10

    def rng(self, number):
        return random.Random(f"Http {number}")

    def start(self, stage, network):
        self.context = mongos.tls_context(stage, stage.certs.pair("mutants", names=(
            "DNS:mutants.test")))
        self.ca = stage.certs.ca

    def keys(self, number):
        keys = super().keys(number).replace("http://", "https://")
        return f"{keys}tls_ca = {self.ca}\ntls_server_name = mutants.test\n"

    def serve(self, sock, number):
        try:
            with sock:
                sock.settimeout(30)
                tls = self.context.wrap_socket(sock, server_side=True)
                data = b""
                while not self.complete(data):
                    more = tls.recv(65536)
                    if not more:
                        return
                    data += more
                tls.sendall(self.answer(number, data))
                tls.unwrap()
        except (OSError, ssl.SSLError):
            pass


def message(doc, to):
    return mongos.mongo_scripted.message(to, doc)


class Mongo(Kind):
    """hello and ping as one text, mutated; a primary of rs0 is wanted."""

    options = mongos.SimpleNamespace(port=27017, set="rs0", delay=0, hosts=["db:27017"])

    def keys(self, number):
        return f"uri = mongodb://{address_of(number)}:{PORT}/\nrequire = primary\nset_name = rs0\n"

    def requests(self, data):
        ids = []
        while len(data) >= 16 and len(data) >= struct.unpack_from("<i", data)[0] >= 16:
            length, request = struct.unpack_from("<ii", data)
            ids.append(request)
            data = data[length:]
        return ids

    def complete(self, data):
        return len(self.requests(data)) >= 2

    def right(self, request):
        # One moment for all: the same bytes each time but for the ids of the requests.
        ids = (self.requests(request) + [1, 2])[:2]
        hello = dict(self.hello)
        return message(hello, ids[0]) + message({"ok": 1.0}, ids[1])

    def __init__(self):
        self.hello = mongos.mongo_scripted.STATES["primary"](self.options)

    def answer(self, number, request):
        return mutate(self.rng(number), self.right(request))

    def may_be_healthy(self, number):
        data = self.answer(number, b"")
        docs = []
        for to in (1, 2):
            if len(data) < 26:
                return False
            length, _, reply_to, opcode, flags, kind = struct.unpack_from("<iiiiIB", data)
            if not 26 <= length <= len(data) or (reply_to, opcode, kind) != (to, 2013, 0):
                return False
            if flags & 0xFFFE & ~0x10000:
                return False
            try:
                end = length - (4 if flags & 1 else 0)
                docs.append(bson.decode(data[21:end]))
            except Exception:  # whatever the library says of noise
                return "unclear"
            data = data[length:]
        hello, pong = docs
        primary = hello.get("isWritablePrimary") is True or hello.get("ismaster") is True
        return (
            pong.get("ok") == 1 and hello.get("ok") == 1 and primary
            and hello.get("setName") == "rs0"
        )


class Set(Mongo):
    """The same of a member of a set, which is named by its own hello."""

    def keys(self, number):
        return f"uri = mongodb://{address_of(number)}:{PORT}/?replicaSet=rs0\nrequire = primary\n"

    def answer(self, number, request):
        me = f"{address_of(number)}:{PORT}"
        ids = (self.requests(request) + [1, 2])[:2]
        hello = dict(self.hello, hosts=[me], me=me, primary=me)
        right = message(hello, ids[0]) + message({"ok": 1.0}, ids[1])
        return mutate(self.rng(number), right)


class Tls(Kind):
    """One byte of the server's side of a handshake is changed. All of it is covered by the transcript
    but the version in a record's head, and the record that TLS 1.3 sends for old middle boxes."""

    share = 0.2

    def start(self, stage, network):
        self.context = mongos.tls_context(stage, stage.certs.pair("mutants", names=(
            "DNS:mutants.test")))
        self.ca = stage.certs.ca

    def keys(self, number):
        return (
            f"address = {address_of(number)}:{PORT}\ntls = yes\ntls_ca = {self.ca}\n"
            "tls_server_name = mutants.test\n"
        )

    @staticmethod
    def covered(data):
        """The places of bytes that a client must not let pass, but for those of the handshake's
        tickets, which come after the end."""
        at, places = 0, []
        while at + 5 <= len(data):
            kind, length = data[at], struct.unpack_from(">H", data, at + 3)[0]
            if kind != 20:
                places += [at, *range(at + 3, min(at + 5 + length, len(data)))]
            at += 5 + length
        return places

    def serve(self, sock, number):
        rng = self.rng(number)
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(came, goes, server_side=True)
        changed = False
        try:
            with sock:
                sock.settimeout(10)
                while True:
                    try:
                        tls.do_handshake()
                        return  # with a byte changed it never ends
                    except ssl.SSLWantReadError:
                        pass
                    data = bytearray(goes.read())
                    if data and not changed:
                        at = rng.choice(self.covered(data))
                        data[at] ^= 1 << rng.randrange(8)
                        changed = True
                    sock.sendall(data)
                    more = sock.recv(65536)
                    if not more:
                        return
                    came.write(more)
        except (OSError, ssl.SSLError):
            pass

    def may_be_healthy(self, number):
        return False


class Dns(Kind):
    """A name's reply; only 127.0.0.1 has a listener, at that port."""

    port = PORT + 1
    timeout = 0.3  # most mutants answer another question, and so none

    def keys(self, number):
        return f"address = n{number}.mutants.test:{self.port}\nfamily = 4\n"

    def start(self, stage, network):
        stage.stack.callback(network.call(self.listen).close)
        sock = network.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind(("127.0.0.1", 53))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        stage.stack.callback(sock.close)
        threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def listen(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", self.port))
        listener.listen(1024)
        return listener

    def talk(self, sock):
        while True:
            try:
                data, peer = sock.recvfrom(2048)
                number = int(re.search(rb"n(\d+)\x07mutants", data)[1])
                sock.sendto(self.answer(number, data), peer)
            except OSError:
                return

    def answer(self, number, request):
        reply = request[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + request[12 : request.index(b"\0\0\1\0\1") + 5]
        reply += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1"
        return mutate(self.rng(number), reply)

    def may_be_healthy(self, number):
        labels = (f"n{number}".encode(), b"mutants", b"test", b"")
        name = b"".join(bytes([len(label)]) + label for label in labels)
        data = self.answer(number, b"\xab\xcd\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1")
        if len(data) < 12:
            return False
        flags = struct.unpack_from(">H", data, 2)[0]  # the id is another each time
        if not flags & 0x8000 or flags & 0xF:
            return False
        return b"\x7f\0\0\1" in data


from mutants_servers import KINDS as SERVERS  # noqa: E402  (it needs Kind)

KINDS = {"tcp": Tcp, "http": Http, "https": Https, "mongo": Mongo, "set": Set, "tls": Tls, "dns": Dns} | SERVERS


class Server:
    """Answers the mutants of one kind, at every address of 127/8."""

    def __init__(self, kind, network):
        self.kind = kind
        self.listener = network.call(socket.socket)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("0.0.0.0", PORT))
        self.listener.listen(4096)
        self.closing = False
        self.thread = threading.Thread(
            target=self.accept if hasattr(kind, "serve") else self.turn, daemon=True
        )
        self.thread.start()

    def accept(self):
        while not self.closing:
            if not select.select([self.listener], [], [], 0.1)[0]:
                continue
            sock, _ = self.listener.accept()
            number = number_of(sock.getsockname()[0])
            threading.Thread(target=self.kind.serve, args=(sock, number), daemon=True).start()

    def turn(self):
        """All connections in one thread: reads a whole request, answers, ends the connection."""
        poll = select.epoll()
        poll.register(self.listener, select.EPOLLIN)
        self.listener.setblocking(False)
        open_ = {}
        while not self.closing:
            for fd, _ in poll.poll(0.1):
                if fd == self.listener.fileno():
                    self.take(poll, open_)
                else:
                    self.talk(poll, open_, fd)
        for sock, _ in open_.values():
            sock.close()
        poll.close()

    def take(self, poll, open_):
        for _ in range(256):
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            open_[sock.fileno()] = (sock, bytearray())
            poll.register(sock, select.EPOLLIN)

    def talk(self, poll, open_, fd):
        sock, data = open_[fd]
        try:
            more = sock.recv(65536)
            data += more
            done = not more
            if more and self.kind.complete(data):
                sock.send(self.kind.answer(number_of(sock.getsockname()[0]), bytes(data)))
                sock.shutdown(socket.SHUT_WR)
                data.clear()
        except OSError:
            done = True
        if done:
            poll.unregister(fd)
            del open_[fd]
            sock.close()

    def close(self):
        self.closing = True
        self.thread.join()
        self.listener.close()


def ask(stage, network, kind, numbers, tries=20):
    """One `probe check` of these mutants; what it says of each."""
    sections = "".join(f"[probe m{n}]\n{kind.keys(n)}" for n in numbers)
    config = stage.program.write(
        "mutants.ini", f"[defaults]\ntimeout = {round(kind.timeout * 1000)}ms\n{sections}"
    )
    conf = stage.program.write("resolv.conf", "nameserver 127.0.0.1\n", 0o644)
    prefix = [
        *network.prefix, "unshare", "--mount", "sh", "-c",
        f'ulimit -n 8192; mount --bind "{conf}" /etc/resolv.conf && exec "$@"', "sh",
    ]
    r = stage.program.run(
        "check", "--json", "-c", config, *(f"m{n}" for n in numbers), prefix=prefix, timeout=120
    )
    # 70 where it could look at none of them, as with the few that are asked again.
    assert r.code in (0, 1, 70), f"exit {r.code}: {r.err[-2000:]}\n{r.out[:2000]}"
    probes = {int(p["name"][1:]): p["last"] for p in json.loads(r.out)["probes"]}
    assert set(probes) == set(numbers), "not all were answered"
    # On a busy machine it says of itself that it could not look: those are asked again.
    again = [n for n, last in probes.items() if "the agent itself did not run" in last["detail"]]
    if again:
        assert tries, f"it never had the time to look: {probes[again[0]]}"
        probes.update(ask(stage, network, kind, again, tries - 1))
    return probes


def run(stage, name, count, first=0, report=None, said=None):
    """`count` mutants of a kind. Returns how often each verdict was given; `said` gets what was said
    of each."""
    kind = KINDS[name]()
    network = stage.network("sysctl -qw net.core.somaxconn=4096 net.ipv4.tcp_abort_on_overflow=0")
    kind.start(stage, network)
    server = Server(kind, network)
    counts, wrong = {}, []
    limit = kind.timeout + 0.35 * SLACK
    try:
        for start in range(first, first + count, BATCH):
            numbers = range(start, min(start + BATCH, first + count))
            for number, last in ask(stage, network, kind, numbers).items():
                verdict = "healthy" if last["ok"] else last["reason"]
                counts[verdict] = counts.get(verdict, 0) + 1
                if said is not None:
                    said[number] = f"{verdict}: {last['detail']}".replace("https://", "http://")
                late = last["duration_ms"] / 1000 > limit
                if late or verdict == "internal" or (last["ok"] and not kind.may_be_healthy(number)):
                    wrong.append((number, verdict, last["detail"], last["duration_ms"]))
            if report:
                report(f"{name}: {start + len(numbers) - first} of {count}, {counts}")
    finally:
        server.close()
    assert not wrong, f"{len(wrong)} of {count} {name} mutants, the first of them: {wrong[:5]}"
    return counts
