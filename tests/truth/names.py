"""A DNS server that can be told to misbehave, over UDP and TCP; the program finds it by
PROBE_DNS_SERVERS. A name's answer is a list of addresses, or one of the functions below: of (query,
kind, tcp), it returns the bytes of the reply, or None for silence."""

import random
import socket
import struct
import threading

from dnslib import AAAA, CNAME, NS, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSRecord

from lib import hostile
from lib.net import free_port


def addresses(*found):
    def answer(query, kind, tcp):
        reply = query.reply()
        for address in found:
            if kind in ("A", "AAAA") and (":" in address) == (kind == "AAAA"):
                data = AAAA(address) if kind == "AAAA" else A(address)
                reply.add_answer(RR(query.q.qname, query.q.qtype, rdata=data, ttl=1))
        return reply.pack()

    return answer


def records(**by_kind):
    """records(SRV=["0 0 27017 a.test"], TXT=["x=y"], A=["127.0.0.1"])."""

    def answer(query, kind, tcp):
        reply = query.reply()
        for text in by_kind.get(kind, ()):
            if kind == "SRV":
                priority, weight, port, target = text.split()
                data = SRV(int(priority), int(weight), int(port), target)
            else:
                data = {"TXT": TXT, "A": A, "AAAA": AAAA}[kind](text)
            reply.add_answer(RR(query.q.qname, query.q.qtype, rdata=data, ttl=1))
        return reply.pack()

    return answer


def code(word):
    """SERVFAIL, REFUSED, NXDOMAIN, FORMERR, NOTIMP."""

    def answer(query, kind, tcp):
        reply = query.reply()
        reply.header.rcode = getattr(RCODE, word)
        return reply.pack()

    return answer


def silent(query, kind, tcp):
    return None


def garbage(query, kind, tcp):
    return query.pack()[:2] + b"\xff" * 40


def empty(query, kind, tcp):
    return b""


def head_only(query, kind, tcp):
    return addresses("127.0.0.1")(query, kind, tcp)[:12]


def cut(query, kind, tcp):
    """The reply ends within its answer, without the TC bit."""
    return addresses("127.0.0.1")(query, kind, tcp)[:-3]


def referral(query, kind, tcp):
    """Neither a record nor an error, but who else may know (RFC 1034 section 4.3.2)."""
    reply = query.reply(ra=0, aa=0)
    reply.add_auth(RR("test", QTYPE.NS, rdata=NS("ns.test"), ttl=1))
    return reply.pack()


def alias_alone(query, kind, tcp):
    """What an authoritative server knows of an alias into another zone (RFC 1034 section 4.3.2)."""
    reply = query.reply(ra=0, aa=1)
    reply.add_answer(RR(query.q.qname, QTYPE.CNAME, rdata=CNAME("elsewhere.test"), ttl=1))
    return reply.pack()


def alias_of_none(query, kind, tcp):
    """The alias stands for a name of the same zone, which has no such record (RFC 2308 section 2.2)."""
    reply = DNSRecord.parse(alias_alone(query, kind, tcp))
    reply.add_auth(RR("test", QTYPE.SOA, rdata=SOA("ns.test", "root.test", (1, 2, 3, 4, 5)), ttl=1))
    return reply.pack()


def other_id(query, kind, tcp):
    reply = bytearray(addresses("127.0.0.1")(query, kind, tcp))
    reply[0] ^= 0x5A
    return bytes(reply)


def other_question(query, kind, tcp):
    other = DNSRecord.question("elsewhere.test", kind)
    other.header.id = query.header.id
    return addresses("127.0.0.1")(other, kind, tcp)


def loops(query, kind, tcp):
    """A name that points at itself by compression (RFC 1035 section 4.1.4)."""
    head = struct.pack(">HHHHHH", query.header.id, 0x8180, 1, 1, 0, 0)
    question = query.pack()[12:]
    return head + question + b"\xc0" + bytes([12 + len(question)]) + struct.pack(
        ">HHIH4s", query.q.qtype, 1, 1, 4, b"\x7f\0\0\x01"
    )


def alias(name, *found):
    """A CNAME, and the addresses of the name that it stands for."""

    def answer(query, kind, tcp):
        reply = query.reply()
        reply.add_answer(RR(query.q.qname, QTYPE.CNAME, rdata=CNAME(name), ttl=1))
        for address in found:
            if (":" in address) == (kind == "AAAA"):
                data = AAAA(address) if kind == "AAAA" else A(address)
                reply.add_answer(RR(name, query.q.qtype, rdata=data, ttl=1))
        return reply.pack()

    return answer


def chain(*links, order=None):
    """CNAMEs from the name asked for over `links`; the last of them is an address. `order`: of the records."""

    def answer(query, kind, tcp):
        reply, name, records = query.reply(), query.q.qname, []
        for link in links[:-1]:
            records.append(RR(name, QTYPE.CNAME, rdata=CNAME(link), ttl=1))
            name = link
        records.append(RR(name, QTYPE.A, rdata=A(links[-1]), ttl=1))
        for i in order or range(len(records)):
            reply.add_answer(records[i])
        return reply.pack()

    return answer


def only(wanted, this, other):
    """One answer to questions of one kind, another to the rest."""
    return lambda query, kind, tcp: (this if kind == wanted else other)(query, kind, tcp)


def by_tcp(this):
    """Over UDP only the TC bit: the client has to come back over TCP."""

    def answer(query, kind, tcp):
        if tcp:
            return this(query, kind, tcp)
        reply = query.reply()
        reply.header.tc = 1
        return reply.pack()

    return answer


def late(seconds, this):
    def answer(query, kind, tcp):
        threading.Event().wait(seconds)
        return this(query, kind, tcp)

    return answer


def lost(n, this):
    """The first n questions of each kind are lost."""
    seen = {}

    def answer(query, kind, tcp):
        seen[kind] = seen.get(kind, 0) + 1
        return None if seen[kind] <= n else this(query, kind, tcp)

    return answer


# True: on port 53 of an address of its own, where programs of the system can be made to look.
SYSTEM = False


class Names:
    """Serves `zone` on 127.0.0.1 (of the name space of the calling thread) until closed; a name
    that is not in it does not exist. The zone may be changed at any time."""

    def __init__(self, zone, port=None):
        self.zone = {name: self.answer(what) for name, what in zone.items()}
        self.closing = False
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind(port)
        self.tcp.listen(16)
        self.env = {"PROBE_DNS_SERVERS": f"{self.host}:{self.port}"}
        self.start(self.serve_udp)
        self.start(self.serve_tcp)

    def bind(self, port):
        own_host = SYSTEM and not port
        self.host, self.port = "127.0.0.1", port or (53 if SYSTEM else free_port())
        for _ in range(100):
            if own_host:
                self.host = "127.%d.%d.53" % (random.randrange(1, 250), random.randrange(250))
            try:
                self.udp.bind((self.host, self.port))
                break
            except OSError:
                continue
        self.tcp.bind((self.host, self.port))

    @staticmethod
    def answer(what):
        return what if callable(what) else addresses(*what)

    def __setitem__(self, name, what):
        self.zone[name] = self.answer(what)

    @staticmethod
    def start(function, *args):
        threading.Thread(target=function, args=args, daemon=True).start()

    def reply(self, data, tcp):
        query = DNSRecord.parse(data)
        name = str(query.q.qname).rstrip(".").lower()
        return self.zone.get(name, code("NXDOMAIN"))(query, QTYPE[query.q.qtype], tcp)

    def serve_udp(self):
        while not self.closing:
            try:
                data, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if data:  # none: the shutdown
                self.start(self.send_udp, data, peer)

    def send_udp(self, data, peer):
        reply = self.reply(data, False)
        if reply is not None:
            try:
                self.udp.sendto(reply, peer)
            except OSError:
                pass  # closed meanwhile

    def serve_tcp(self):
        while not self.closing:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            self.start(self.talk_tcp, sock)

    def talk_tcp(self, sock):
        with sock:
            try:
                while head := sock.recv(2, socket.MSG_WAITALL):
                    data = sock.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                    reply = self.reply(data, True)
                    if reply is None:
                        hostile.silent(sock)
                        return
                    sock.sendall(struct.pack(">H", len(reply)) + reply)
            except (OSError, struct.error):
                pass

    def close(self):
        self.closing = True
        # A thread that waits in recvfrom or accept returns by shutdown, not by close.
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


