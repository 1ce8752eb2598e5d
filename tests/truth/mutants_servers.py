"""Mutants of what Redis, PostgreSQL and MySQL servers say; see mutants.py. In those of two servers
that are asked more than once every other mutant is of the first answer, the rest of the last."""

import re

import mysql_scripted as my
import postgres_scripted as pg
from mutants import PORT, Kind, address_of, mutate


class Redis(Kind):
    info = b"# Server\r\nredis_mode:standalone\r\nrole:master\r\nloading:0\r\nconnected_slaves:2\r\n"

    def keys(self, number):
        return f"uri = redis://{address_of(number)}:{PORT}\nrequire = master\n"

    def complete(self, data):
        return b"INFO\r\n" in data

    def answer(self, number, request):
        return mutate(self.rng(number), b"+PONG\r\n$%d\r\n%s\r\n" % (len(self.info), self.info))

    def may_be_healthy(self, number):
        found = re.match(rb"\+PONG\r\n\$0*(\d+)\r\n(.*)\r\n", self.answer(number, b""), re.S)
        return bool(found) and int(found[1]) == len(found[2]) and re.search(
            rb"(?m)^role:master\r?$", found[2]) is not None and re.search(rb"(?m)^loading:0\r?$", found[2]) is not None


class Dialogue(Kind):
    """One that is served in turns; `part(number, which)` is what is said."""

    share = 0.3

    def serve(self, sock, number):
        with sock:
            sock.settimeout(10)
            try:
                self.talk(sock, number)
                sock.shutdown(1)
                while sock.recv(4096):
                    pass
            except (OSError, ValueError, AssertionError):
                pass

    def part(self, number, which, right):
        return mutate(self.rng(number), right) if number % 2 == which else right


class Postgres(Dialogue):
    def keys(self, number):
        return f"uri = postgres://user@{address_of(number)}:{PORT}/?sslmode=disable\nrequire = primary\n"

    def talk(self, sock, number):
        pg.startup(sock)
        sock.sendall(self.part(number, 0, pg.LET_IN))
        kind, _ = pg.ask(sock)
        assert kind == b"Q"
        sock.sendall(self.part(number, 1, pg.PRIMARY))

    @staticmethod
    def messages(data):
        while len(data) >= 5:
            n = int.from_bytes(data[1:5], "big")
            if n < 4 or len(data) < 1 + n:
                return
            yield data[:1], data[5 : 1 + n]
            data = data[1 + n :]

    def may_be_healthy(self, number):
        if number % 2 == 0:
            said = list(self.messages(self.part(number, 0, pg.LET_IN)))
            return (b"R", b"\0\0\0\0") in said and any(kind == b"Z" for kind, _ in said)
        said = list(self.messages(self.part(number, 1, pg.PRIMARY)))
        rows = [body for kind, body in said if kind == b"D"]
        return len(rows) == 1 and rows[0][:7] == b"\0\4\0\0\0\1f" and any(kind == b"Z" for kind, _ in said)


class Mysql(Dialogue):
    right = b"".join(my.packet(1 + i, body) for i, body in enumerate(my.WRITABLE))

    def keys(self, number):
        return f"uri = mysql://user:pencil@{address_of(number)}:{PORT}/\nrequire = writable\n"

    def talk(self, sock, number):
        sock.sendall(self.part(number, 0, my.packet(0, my.greeting())))
        turn, _ = my.take(sock)
        sock.sendall(my.packet(turn + 1, my.OK))
        my.take(sock)
        sock.sendall(my.packet(1, my.OK))
        my.take(sock)
        sock.sendall(self.part(number, 1, self.right))

    @staticmethod
    def packets(data):
        while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:3], "little"):
            n = int.from_bytes(data[:3], "little")
            yield data[4 : 4 + n]
            data = data[4 + n :]

    def may_be_healthy(self, number):
        if number % 2 == 0:  # whoever greets so, and then lets in, is one
            return self.part(number, 0, my.packet(0, my.greeting()))[4:5] == b"\x0a"
        said = list(self.packets(self.part(number, 1, self.right)))
        ends = [i for i, body in enumerate(said) if body[:1] == b"\xfe" and len(body) < 9]
        if len(ends) < 2 or ends[1] != ends[0] + 2:
            return False
        return re.match(rb"\x010\x010(\x01.|\x02..|\x03...)", said[ends[0] + 1], re.S) is not None


KINDS = {"redis": Redis, "postgres": Postgres, "mysql": Mysql}
