"""What a row is given: the programs, a folder of its own, free ports, and processes that end with it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


class Context:
    made = 0

    def __init__(self, probe, tools, quick):
        self.probe, self.tools, self.quick = os.path.abspath(probe), os.path.abspath(tools), quick
        self.dir = tempfile.mkdtemp(prefix="probe-bench.")
        self.running = []
        self._logs = 0
        # Rows that run side by side take their ports from ranges of their own.
        Context.made += 1
        self._port = 10000 + (os.getpid() * 100 + Context.made * 1000) % 20000

    def tool(self, name):
        return os.path.join(self.tools, name)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def pick(self, full, quick):
        return quick if self.quick else full

    def port(self):
        """A free port below the ephemeral ones, so that no connection takes it."""
        while True:
            self._port = 10000 + (self._port - 10000 + 1) % 20000
            with contextlib.closing(socket.socket()) as s:
                with contextlib.suppress(OSError):
                    s.bind(("", self._port))
                    return self._port

    def log(self, text):
        sys.stderr.write(f"bench: {text}\n")  # in one piece, also when rows run side by side

    def start(self, argv, cpu=None, **options):
        """A process that ends at the end of the row. `cpu`: the core it stays on."""
        if cpu is not None and os.cpu_count() > 1:
            argv = ["taskset", "-c", str(cpu % os.cpu_count()), *argv]
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stdin", subprocess.DEVNULL)
        self._logs += 1
        said = self.path(f"stderr.{self._logs}")
        with open(said, "wb") as log:
            options.setdefault("stderr", log)
            p = subprocess.Popen([str(a) for a in argv], start_new_session=True, **options)
        p.said = said
        self.running.append(p)
        return p

    def alive(self, *processes):
        """An error that says what it said when one of them has ended."""
        for p in processes:
            if p.poll() is not None:
                with open(p.said, encoding="utf-8", errors="replace") as f:
                    raise RuntimeError(f"{p.args[0]} ended with {p.returncode}: {f.read()[-400:].strip()}")

    def stop(self, p, sig=signal.SIGTERM):
        """Ends it and what it started."""
        if p not in self.running:
            return
        self.running.remove(p)
        with contextlib.suppress(ProcessLookupError):
            os.kill(p.pid, sig)
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, signal.SIGKILL)
        p.wait(10)
        for stream in (p.stdin, p.stdout, p.stderr):
            if stream:
                stream.close()

    def stop_all(self, but=()):
        for p in [p for p in reversed(self.running) if p not in but]:
            self.stop(p)

    def close(self):
        self.stop_all()
        shutil.rmtree(self.dir, ignore_errors=True)

    def wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}: not within {seconds} s")
            time.sleep(0.02)

    def wait_port(self, port, seconds=15, host="127.0.0.1"):
        def answers():
            with contextlib.closing(socket.socket()) as s:
                s.settimeout(1)
                return s.connect_ex((host, port)) == 0
        self.wait(answers, seconds, f"a server on port {port}")


class Server:
    """tests/bench/server.c. `modes`: words; `ports` gives each one's port."""

    def __init__(self, ctx, *modes, interval_ms=None, cpu=None):
        self.ports = {mode: ctx.port() for mode in modes}
        option = ["-i", interval_ms] if interval_ms else []
        self.process = ctx.start([ctx.tool("server"), *option, *(f"{m}:{p}" for m, p in self.ports.items())],
                                 cpu=cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the server did not start")

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Tick:
    """The machine's own lateness meanwhile, in ms: of a process that does nothing but wake up."""

    def __init__(self, ctx):
        self.ctx = ctx
        self.process = ctx.start([ctx.tool("tick"), 2000], stdout=subprocess.PIPE, text=True)

    def end(self):
        self.process.terminate()
        told = json.loads(self.process.stdout.readline())
        self.ctx.stop(self.process)
        return {"p50": told["p50"] / 1000, "p99": told["p99"] / 1000, "max": told["max"] / 1000}
