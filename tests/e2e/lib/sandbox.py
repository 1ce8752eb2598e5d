"""A network and a /run of one's own, with what the examples of the documents speak of: mongodb and db
on port 27017, app on 8080, cache on 6379, each by its name, and the ports and paths that are the
program's defaults. Nothing of it is seen outside, and nothing outside is in its way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from .net import SLACK, wait_until
from .program import ROOT, describe_exit

NAMES = ["mongodb", "db", "app", "cache", "redis", "probe", "localhost"]
NOWHERE = "127.0.0.99"  # an address at which nothing listens

APP = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps({"status": "up"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""

CACHE = """
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            if line.strip().upper() == b"PING": self.wfile.write(b"+PONG\\r\\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("127.0.0.1", 6379), Handler).serve_forever()
"""

SETUP = """
set -e
ip link set lo up
mount -t tmpfs none /run
mount --bind "$1/hosts" /etc/hosts
echo ready
exec sleep infinity
"""


def can_be_made():
    probe = subprocess.run([*_unshare(), "true"], capture_output=True, text=True)
    return None if probe.returncode == 0 else probe.stderr.strip()


def _unshare():
    return ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount"]


class Sandbox:
    def __init__(self, binary):
        self.dir = Path(tempfile.mkdtemp(prefix="probe-doc-"))
        self.running = []
        self.bin = self.dir / "bin"
        self.bin.mkdir()
        (self.bin / "probe").symlink_to(Path(binary).resolve())
        self._script("app", 'echo "the app runs: $*"')
        self.write_hosts("hosts", ())
        holder = subprocess.Popen([*_unshare(), "sh", "-c", SETUP, "sh", str(self.dir)], stdout=subprocess.PIPE, text=True)
        self.running.append(holder)
        assert holder.stdout.readline() == "ready\n"
        self.inside = ["nsenter", "-t", str(holder.pid), *([] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]),
                       "-n", "-m"]
        env = {k: v for k, v in os.environ.items() if k != "MONGODB_URI"}
        data = str(self.dir / "data")
        self.serve([ROOT / "tests/servers/mongo-server", "start", "--port", "27017", "--dir", data, "--set", "rs0"], env)
        self.serve([sys.executable, "-c", APP], env)
        self.serve([sys.executable, "-c", CACHE], env)
        up = self.run("probe wait -q --timeout 60s tcp://127.0.0.1:27017 tcp://127.0.0.1:8080 tcp://127.0.0.1:6379")
        assert up.code == 0, up

    def _script(self, name, text):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def write_hosts(self, name, down):
        """/etc/hosts, in which the names of `down` lead nowhere."""
        lines = [f"{NOWHERE if n in down else '127.0.0.1'} {n}" for n in NAMES]
        (self.dir / name).write_text("\n".join(lines) + "\n")

    def serve(self, command, env):
        log = open(self.dir / "servers.log", "ab")
        self.running.append(subprocess.Popen([*self.inside, *map(str, command)], env=env, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log))
        log.close()

    def environ(self):
        kept = ("LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS")
        return {**{k: v for k, v in os.environ.items() if k in kept},
                "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.dir), "TERM": "dumb", "NO_COLOR": "1",
                "MONGOC_DISABLE_SHM": "1", "PROBE_CONFIG": str(self.dir / "none.ini")}

    def run(self, script, config=None, down=(), terminal=False, seconds=60):
        """Runs the lines as a person would, in a folder of their own; `config` is the configuration that is
        there; `down` names services that are not."""
        work = Path(tempfile.mkdtemp(dir=self.dir))
        env = self.environ()
        if config is None:
            env.pop("PROBE_CONFIG")
        else:
            (work / "probe.ini").write_text(config)
            env["PROBE_CONFIG"] = str(work / "probe.ini")
        (work / "script").write_text(f"set -euo pipefail\ncd {work}\n{script}\n")
        command = ["bash", str(work / "script")]
        if terminal:
            command = ["script", "-qec", f"stty cols 200; bash {work}/script", "/dev/null"]
        if down:
            self.write_hosts(f"{work.name}.hosts", down)
            hosts = self.dir / f"{work.name}.hosts"
            command = ["unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh", *command]
        done = subprocess.run([*self.inside, *command], cwd=work, env=env, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=seconds * SLACK, errors="replace")
        return Outcome(script, describe_exit(done.returncode), done.stdout, done.stderr)

    def left(self):
        """Processes in this network that an example did not end."""
        mine = os.stat(f"/proc/{self.running[0].pid}/ns/net").st_ino
        own = {process.pid for process in self.running}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and int(entry.name) not in own and os.stat(entry / "ns/net").st_ino == mine:
                    yield int(entry.name)
            except OSError:
                continue

    def close(self):
        for pid in self.left():
            os.kill(pid, signal.SIGKILL)
        for process in reversed(self.running):
            process.kill()
            process.wait()
        self.running[0].stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Outcome:
    def __init__(self, script, code, out, err):
        self.script, self.code, self.out, self.err = script, code, out, err

    def __repr__(self):
        return f"{self.script}\n-> exit {self.code}\n-- stdout\n{self.out}\n-- stderr\n{self.err}"

    @property
    def json(self):
        return json.loads(self.out)
