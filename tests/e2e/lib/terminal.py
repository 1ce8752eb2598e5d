"""A program in a pseudo-terminal, and what a person would see on its screen."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import threading
import time

import pyte
from wcwidth import wcswidth

from .net import SLACK

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """`command` on a terminal of its own; `.wait(condition)` reads until the screen is so."""

    def __init__(self, command, env, cwd, columns=80, rows=24, stdout=None):
        self.columns, self.rows = columns, rows
        self.raw = b""
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.master, slave = os.openpty()
        self._set_size(slave)
        self.before = termios.tcgetattr(slave)
        self.slave = slave  # kept open, so that what was written last can always be read
        self.process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=slave, stdout=stdout or slave, stderr=slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def _set_size(self, fd):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))

    def resize(self, columns, rows=None):
        """As a terminal does it that lets lines stand as they are."""
        self.columns, self.rows = columns, rows or self.rows
        self.screen.resize(self.rows, self.columns)
        self._set_size(self.master)  # which sends SIGWINCH

    def type(self, data):
        os.write(self.master, data)

    # ---- what is seen

    def read(self, seconds):
        """Takes what comes within that time; at once when something is there."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        data = os.read(self.master, 65536)
        self.raw += data
        self.stream.feed(data)
        return True

    @property
    def lines(self):
        """The lines down to the last that is not empty."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def joined(self):
        """All words, wherever lines were broken."""
        return " ".join(self.text.split())

    @property
    def plain(self):
        """All that was written, without codes."""
        return CODES.sub("", self.raw.decode("utf-8", "backslashreplace")).replace("\r", "")

    def column(self, line, word):
        """The column in which `word` begins on the screen's line; wide characters take two."""
        row = self.screen.buffer[line]
        cells = [row[x].data for x in range(self.columns)]
        for x in range(self.columns):
            if "".join(cells[x:]).startswith(word):
                return x
        raise AssertionError(f"{word} is not in line {line}:\n{self.text}")

    def colour(self, line, column):
        return self.screen.buffer[line][column].fg

    def check_widths(self):
        for line in self.plain.splitlines():
            assert wcswidth(line) <= self.columns, f"{wcswidth(line)} columns: {line!r}"

    # ---- waiting

    def wait(self, condition, seconds=10, what="the screen is as expected"):
        deadline = time.monotonic() + seconds * SLACK
        while True:
            while self.read(0):
                pass
            if condition(self):
                return self
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds * SLACK:g} s: {what}\n{self.text}"
            self.read(min(left, 0.1))

    def wait_for(self, *words, seconds=10):
        return self.wait(lambda t: all(w in t.joined for w in words), seconds, f"{words} are seen")

    def end(self, seconds=10):
        """Waits for its end; the exit code."""
        done = threading.Event()

        def condition(_):
            if self.process.poll() is not None:
                done.set()
            return done.is_set()

        self.wait(condition, seconds, "the program ends")
        while self.read(0.05):
            pass
        assert termios.tcgetattr(self.slave) == self.before, "the terminal was left changed"
        assert not self.screen.cursor.hidden, "the cursor was left hidden"
        code = self.process.returncode
        return code if code >= 0 else 128 - code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)
