"""The program under test: one-shot commands, and an agent with its API."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from .net import SLACK, free_port, wait_until

ROOT = Path(__file__).resolve().parents[3]
SANITIZER = re.compile(r"(AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer)")


@dataclass
class Result:
    args: list
    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()

    def __str__(self):
        return (
            f"{' '.join(map(str, self.args))}\n-> exit {self.code} after {self.seconds:.2f} s"
            f"\n-- stdout\n{self.out}-- stderr\n{self.err}"
        )


def describe_exit(returncode):
    """A process's end as a shell sees it: 128+N for a signal."""
    return returncode if returncode >= 0 else 128 - returncode


class Program:
    """One test's view of the binary: a private folder, a clean environment, and a check at the end
    that no process was left and that no sanitizer complained."""

    def __init__(self, binary):
        self.binary = Path(binary).resolve()
        # Short, since the path of a Unix socket has 107 bytes at most.
        self.dir = Path(tempfile.mkdtemp(prefix="probe-e2e-"))
        self.mark = uuid.uuid4().hex
        self.agents = []
        self.processes = []
        self.env = {
            k: v
            for k, v in os.environ.items()
            if k in ("PATH", "LANG", "HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS")
        }
        self.env["PROBE_TEST_MARK"] = self.mark
        # The shared libmongoc keeps counters in a file named by its pid, and warns on stderr where a
        # process that was killed left one with the same number.
        self.env["MONGOC_DISABLE_SHM"] = "1"
        # No agent of the machine is ever met by accident.
        self.env["PROBE_AGENT"] = str(self.dir / "no-agent.sock")

    # ---- files

    def path(self, name):
        return self.dir / name

    def write(self, name, text, mode=0o600):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    # ---- one-shot commands

    def environ(self, extra=None):
        env = dict(self.env)
        for key, value in (extra or {}).items():
            if value is None:
                env.pop(key, None)
            else:
                env[key] = str(value)
        return env

    def run(self, *args, env=None, timeout=30, stdin=subprocess.DEVNULL, prefix=(), **kw):
        """Runs `probe ARGS` to its end."""
        command = [*prefix, str(self.binary), *map(str, args)]
        start = time.monotonic()
        done = subprocess.run(
            command,
            env=self.environ(env),
            stdin=None if "input" in kw else stdin,
            stdout=kw.pop("stdout", subprocess.PIPE),
            stderr=kw.pop("stderr", subprocess.PIPE),
            timeout=timeout * SLACK,
            cwd=kw.pop("cwd", self.dir),
            **kw,
        )
        result = Result(
            command,
            describe_exit(done.returncode),
            (done.stdout or b"").decode("utf-8", "backslashreplace"),
            (done.stderr or b"").decode("utf-8", "backslashreplace"),
            time.monotonic() - start,
        )
        assert not SANITIZER.search(result.err), str(result)
        return result

    def spawn(self, *args, env=None, prefix=(), **kw):
        """Starts `probe ARGS`; it is ended with the test."""
        out = self.dir / f"stdout.{len(self.processes)}"
        err = self.dir / f"stderr.{len(self.processes)}"
        with open(out, "wb") as o, open(err, "wb") as e:
            process = subprocess.Popen(
                [*prefix, str(self.binary), *map(str, args)],
                env=self.environ(env),
                stdin=kw.pop("stdin", subprocess.DEVNULL),
                stdout=kw.pop("stdout", o),
                stderr=kw.pop("stderr", e),
                cwd=kw.pop("cwd", self.dir),
                **kw,
            )
        process.out_path, process.err_path = out, err
        self.processes.append(process)
        return process

    # ---- the agent

    def agent(self, probes, agent="", start=True, **kw):
        """An agent on the text `probes`, with its own socket and port; waits until it answers."""
        a = Agent(self, probes, agent, **kw)
        self.agents.append(a)
        if start:
            a.start()
        return a

    # ---- the end

    def left(self):
        """Processes that still carry this test's mark in their environment."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if f"PROBE_TEST_MARK={self.mark}".encode() in (entry / "environ").read_bytes():
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append((int(entry.name), command))
            except OSError:
                continue
        return found

    def close(self):
        problems = []
        for a in self.agents:
            if a.process and a.process.poll() is None:
                try:
                    a.stop()
                except AssertionError as e:
                    problems.append(str(e))
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
        try:
            # A killed process takes a moment to be gone; a child that was left never goes.
            wait_until(lambda: not self.left(), 2, "processes were left behind")
        except AssertionError:
            for pid, command in self.left():
                problems.append(f"left behind: {pid} {command}")
                os.kill(pid, signal.SIGKILL)
        for log in self.dir.glob("stderr.*"):
            text = log.read_text(errors="replace")
            if SANITIZER.search(text):
                problems.append(text)
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not problems, "\n".join(problems)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.unix_path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


@dataclass
class Answer:
    code: int
    text: str
    headers: dict = field(default_factory=dict)

    @property
    def json(self):
        return json.loads(self.text)


class Agent:
    """`probe run` on a written configuration."""

    def __init__(self, program, probes, agent, args=(), env=None, prefix=()):
        self.program = program
        n = len(program.agents)
        self.socket = program.path(f"a{n}.sock")
        self.port = free_port()
        self.agent_lines = agent
        self.config = program.path(f"a{n}.ini")
        self.args, self.env, self.prefix = args, env, prefix
        self.process = None
        self.configure(probes)

    def configure(self, probes):
        """Writes the file anew; nothing is told to the agent."""
        lines = self.agent_lines
        if "socket" not in lines:
            lines += f"\nsocket = {self.socket}"
        if "listen" not in lines:
            lines += f"\nlisten = 127.0.0.1:{self.port}"
        if "watch" not in lines:
            lines += "\nwatch = no"  # a test says itself when a new configuration is read
        self.config.write_text(f"[agent]\n{lines}\n{probes}\n")
        self.config.chmod(0o600)

    def start(self):
        self.process = self.program.spawn(
            "run", "-c", self.config, *self.args, env=self.env, prefix=self.prefix
        )
        wait_until(self.answers, 10, f"the agent answers; it said:\n{self.log()}")
        return self

    def answers(self):
        assert self.process.poll() is None, (
            f"the agent ended with {self.process.returncode}:\n{self.log()}"
        )
        try:
            self.get("/live")
            return True
        except OSError:
            return False

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        if not self.process or not self.process.err_path.exists():
            return ""
        return self.process.err_path.read_text(errors="replace")

    def log_lines(self):
        return [line for line in self.log().splitlines() if line]

    # ---- API

    def request(self, method, path, tcp=False, timeout=10, body=None, headers=None):
        timeout *= SLACK
        if tcp:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        else:
            connection = UnixConnection(self.socket, timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            reply = connection.getresponse()
            text = reply.read().decode("utf-8", "backslashreplace")
            return Answer(reply.status, text, {k.lower(): v for k, v in reply.getheaders()})
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, **kw):
        return self.request("POST", path, **kw)

    def probe(self, name):
        """The JSON of one probe."""
        return self.get(f"/status/{name}").json

    def wait_status(self, name, status, timeout=10):
        def there():
            probe = self.probe(name)
            return probe if probe["status"] == status else None

        try:
            return wait_until(there, timeout, f"{name} is {status}")
        except AssertionError as e:
            last = json.dumps(self.probe(name), indent=1)
            raise AssertionError(f"{e}\nlast: {last}\nlog:\n{self.log()}") from None

    # ---- ends

    def kill(self, number):
        os.kill(self.process.pid, number)

    def wait(self, timeout=10):
        return self.process.wait(timeout * SLACK)

    def stop(self, number=signal.SIGTERM):
        """Stops it as a supervisor does: gone within 1 s, exit 0, socket removed."""
        start = time.monotonic()
        self.kill(number)
        try:
            code = self.process.wait(1 * SLACK)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"the agent did not end within {SLACK:g} s of signal {number}:\n{self.log()}"
            ) from None
        assert code == 0, f"the agent ended with {code}:\n{self.log()}"
        assert not self.socket.exists(), "the socket was left behind"
        return time.monotonic() - start
