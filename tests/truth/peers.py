"""Other programs in the same situations: what they say where the truth is known. Each peer is asked
as its users do, with the row's timeout and whatever of its expectations the peer can express."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from lib.net import SLACK, free_port
from table import HEALTHY, UNHEALTHY

HANGS = "hangs"
# How long after its deadline a program is given until it is called hanging; its start is in it.
GRACE = 3 * SLACK


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/bin")


class Peer:
    program = None
    grace = GRACE

    @property
    def name(self):
        return self.program

    @property
    def command(self):
        return find(self.program)

    def can(self, q):
        raise NotImplementedError

    def ask(self, q, scene):
        """HEALTHY, UNHEALTHY or HANGS."""
        return scene.run(self.line(q, scene), q.timeout + self.grace)


class Port(Peer):
    """Programs that know only whether a port takes connections."""

    def can(self, q):
        return bool(q.port) and not q.unix


class WaitForIt(Port):
    program = "wait-for-it"

    def line(self, q, scene):
        return [self.command, "-q", "-h", q.host, "-p", str(q.port), "-t", str(q.seconds)]


class Nc(Port):
    program = "nc"
    name = "nc -z"

    def line(self, q, scene):
        return [self.command, "-z", "-w", str(q.seconds), q.host, str(q.port)]


class Curl(Peer):
    program = "curl"
    name = "curl -f"
    unknown = ("expect_status", "expect_json", "expect_header", "reject_body", "tls_min_days",
               "http_version", "tls_server_name", "max_body")

    def can(self, q):
        return q.has("url") and not q.has(*self.unknown)

    def line(self, q, scene):
        k = q.keys
        line = [self.command, "-fsS", "-m", f"{q.timeout:g}"]
        for key, option in (("tls_ca", "--cacert"), ("tls_cert", "--cert"), ("tls_key", "--key"),
                            ("body", "--data"), ("header", "-H")):
            if key in k:
                line += [option, k[key]]
        if k.get("method") == "HEAD":
            line += ["-I"]
        elif "method" in k:
            line += ["-X", k["method"]]
        if "user" in k:
            line += ["-u", f"{k['user']}:{k['password']}"]
        if "bearer_token" in k:
            line += ["-H", f"Authorization: Bearer {k['bearer_token']}"]
        if "family" in k and k["family"] in "46":
            line += [f"-{k['family']}"]
        line += ["-L"] if k.get("follow_redirects") == "yes" else []
        line += ["-k"] if k.get("tls_verify") == "no" else []
        if "connect_to" in k:
            line += ["--connect-to", f"::{k['connect_to']}"]
        line += ["--unix-socket", q.unix, f"http://localhost{q.path}"] if q.unix else [q.url]
        if "expect_body" in k:
            pipe = 'set -o pipefail; pattern=$1; shift; "$@" | grep -aE -- "$pattern" >/dev/null'
            return ["bash", "-c", pipe, "bash", k["expect_body"], *line]
        return [*line, "-o", "/dev/null"]


def credentials(q):
    """The value of the Authorization header, or None."""
    k = q.keys
    if "bearer_token" in k:
        return f"Bearer {k['bearer_token']}"
    if "user" in k and "url" in k:
        return "Basic " + base64.b64encode(f"{k['user']}:{k['password']}".encode()).decode()
    return None


class Haproxy(Peer):
    program = "haproxy"
    name = "HAProxy"
    unknown = ("expect_json", "expect_header", "reject_body", "tls_min_days", "http_version",
               "follow_redirects", "connect_to", "max_body", "family", "body", "require", "set_name",
               "max_lag")
    # Its own checks of a server, which know no password.
    options = {"redis": "option redis-check", "postgres": "option pgsql-check user {}",
               "mysql": "option mysql-check user {} post-41"}

    def can(self, q):
        asks_more = q.type in self.options and (q.tls or q.unix or q.login[1])
        return not q.is_named and bool(q.port or q.unix) and not q.has(*self.unknown) and not asks_more

    def config(self, q, folder):
        k = q.keys
        ms = round(q.timeout * 1000)
        lines = [
            "global", f" stats socket {folder}/stats", "defaults", " timeout client 5s",
            f" timeout connect {ms}ms", f" timeout check {ms}ms", f" timeout server {ms}ms",
            "backend b",
        ]
        tls = ""
        if q.tls:
            ca = k.get("tls_ca", "@system-ca")
            tls = "verify none" if k.get("tls_verify") == "no" else f"verify required ca-file {ca}"
            if "tls_server_name" in k:
                tls += f" check-sni {k['tls_server_name']} verifyhost {k['tls_server_name']}"
            elif q.host == "localhost":
                tls += " verifyhost localhost"
            if "tls_cert" in k:
                both = folder / "client.pem"
                both.write_text(Path(k["tls_cert"]).read_text() + Path(k["tls_key"]).read_text())
                tls += f" crt {both}"
            tls = f"check-ssl {tls}"
        if "url" in k:
            send = f" http-check send meth {k.get('method', 'GET')} uri {q.path} ver HTTP/1.1"
            send += f" hdr Host {q.host or 'localhost'}"
            if words := credentials(q):
                send += f' hdr Authorization "{words}"'
            expect = k.get("expect_status", "200-399")
            lines += [" mode http", " option httpchk", send, f" http-check expect status {expect}"]
            if "expect_body" in k:
                lines.append(f" http-check expect rstring '{k['expect_body']}'")
        else:
            lines.append(" mode tcp")
            if q.type in self.options:
                lines.append(" " + self.options[q.type].format(q.login[0] or q.type))
            if q.has("send", "expect"):
                lines += [" option tcp-check", " tcp-check connect default"]
            if "send" in k:
                lines.append(f" tcp-check send-binary {q.send.encode('latin-1').hex()}")
            if "expect" in k:
                lines.append(f" tcp-check expect rstring '{k['expect']}'")
        where = f"unix@{q.unix}" if q.unix else q.at
        # The interval bounds the connection too.
        lines.append(f" server s {where} check inter {ms}ms fall 1 rise 1 {tls}\n")
        path = folder / "haproxy.cfg"
        path.write_text("\n".join(lines))
        return path

    def state(self, path):
        """Of the server by the statistics, once a check is over."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(1)
                s.connect(str(path))
                s.sendall(b"show stat\n")
                text = b""
                while data := s.recv(65536):
                    text += data
        except OSError:
            return None
        head, *lines = text.decode().lstrip("# ").splitlines()
        for line in lines:
            row = dict(zip(head.split(","), line.split(",")))
            if row.get("svname") == "s" and row["check_status"] not in ("", "INI"):
                if not row["check_status"].startswith("*"):
                    return HEALTHY if row["status"].startswith("UP") else UNHEALTHY
        return None

    def ask(self, q, scene):
        folder = scene.folder()
        line = [self.command, "-db", "-f", self.config(q, folder)]
        with scene.spawn(line) as process:
            until = time.monotonic() + q.timeout + self.grace
            while time.monotonic() < until:
                assert process.poll() is None, f"haproxy ended: {process.said()}"
                if state := self.state(folder / "stats"):
                    return state
                time.sleep(0.02)
        return HANGS


class Blackbox(Peer):
    program = "prometheus-blackbox-exporter"
    name = "blackbox_exporter"
    unknown = ("expect_json", "tls_min_days", "connect_to", "http_version", "max_body", "require",
               "set_name", "max_lag")

    def can(self, q):
        starts_tls = q.type in ("postgres", "mysql") and q.tls
        return bool(q.port) and not q.unix and not starts_tls and not q.has(*self.unknown)

    def module(self, q):
        """As its configuration has it; JSON is YAML too."""
        k = q.keys
        inner, tls = {}, {}
        for key, name in (("tls_ca", "ca_file"), ("tls_cert", "cert_file"), ("tls_key", "key_file"),
                          ("tls_server_name", "server_name")):
            if key in k:
                tls[name] = k[key]
        if k.get("tls_verify") == "no":
            tls["insecure_skip_verify"] = True
        if k.get("family") in ("4", "6"):
            inner |= {"preferred_ip_protocol": f"ip{k['family']}", "ip_protocol_fallback": False}
        if tls:
            inner["tls_config"] = tls
        if "url" not in k:
            if q.tls:
                inner["tls"] = True
            if "expect" in k:
                step = {"expect": k["expect"]}
                if "send" in k:  # it ends what it sends with a line feed
                    step = {"send": q.send.removesuffix("\n")}
                    inner["query_response"] = [step, {"expect": k["expect"]}]
                else:
                    inner["query_response"] = [step]
            return {"prober": "tcp", "timeout": f"{q.timeout:g}s", "tcp": inner}
        codes = k.get("expect_status", "200-399").split("-")
        inner["valid_status_codes"] = list(range(int(codes[0]), int(codes[-1]) + 1))
        inner["follow_redirects"] = k.get("follow_redirects") == "yes"
        for key, name in (("method", "method"), ("body", "body")):
            if key in k:
                inner[name] = k[key]
        if words := credentials(q):
            inner["headers"] = {"Authorization": words}
        if "expect_body" in k:
            inner["fail_if_body_not_matches_regexp"] = [k["expect_body"]]
        if "reject_body" in k:
            inner["fail_if_body_matches_regexp"] = [k["reject_body"]]
        if "expect_header" in k:
            name, pattern = k["expect_header"].lstrip("^").split(":", 1)
            inner["fail_if_header_not_matches"] = [{"header": name, "regexp": pattern.strip()}]
        return {"prober": "http", "timeout": f"{q.timeout:g}s", "http": inner}

    def ask(self, q, scene):
        folder, port = scene.folder(), free_port()
        (folder / "blackbox.yml").write_text(json.dumps({"modules": {"m": self.module(q)}}))
        line = [self.command, f"--config.file={folder}/blackbox.yml",
                f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
        target = q.url if q.has("url") else q.at
        ask = ["curl", "-sS", "--noproxy", "*", "-G", "--data-urlencode", f"target={target}",
               "--data", "module=m", f"http://127.0.0.1:{port}/probe"]
        with scene.spawn(line) as process:
            up = ["curl", "-sSf", "--noproxy", "*", "-o", "/dev/null", f"http://127.0.0.1:{port}/-/healthy"]
            until = time.monotonic() + 10 * SLACK
            while scene.output(up)[0] != 0:
                assert time.monotonic() < until, f"it does not start: {process.said()}"
                assert process.poll() is None, f"it ended: {process.said()}"
            try:
                code, text = scene.output(ask, q.timeout + self.grace)
            except subprocess.TimeoutExpired:
                return HANGS
            assert code == 0, text
            return HEALTHY if "\nprobe_success 1" in text else UNHEALTHY


PING = """
import sys, pymongo
uri, ms, ca, cert, user, password = sys.argv[1:]
more = {}
if ca: more["tlsCAFile"] = ca
if cert: more["tlsCertificateKeyFile"] = cert
if user: more |= {"username": user, "password": password}
t = int(ms)
client = pymongo.MongoClient(uri, serverSelectionTimeoutMS=t, connectTimeoutMS=t, socketTimeoutMS=t,
                             **more)
client.admin.command("ping")
"""


class Mongo(Peer):
    """A ping, which is all that these lines ask."""

    unknown = ("require", "set_name", "max_lag", "tls_min_days", "tls_server_name", "family")

    def can(self, q):
        return q.type == "mongo" and q.has("uri") and not q.has(*self.unknown) and not q.has("tls_key")


class Pymongo(Mongo):
    program = "/usr/bin/python3"
    name = "pymongo ping"

    @property
    def command(self):
        done = subprocess.run([self.program, "-c", "import pymongo"], capture_output=True)
        return self.program if done.returncode == 0 else None

    def can(self, q):  # an SRV record takes a further module, dnspython
        return super().can(q) and not q.keys["uri"].startswith("mongodb+srv:")

    def line(self, q, scene):
        k = q.keys
        more = [k.get(key, "") for key in ("tls_ca", "tls_cert", "user", "password")]
        return [self.program, "-c", PING, k["uri"], str(round(q.timeout * 1000)), *more]


class Mongosh(Mongo):
    program = "mongosh"
    name = "mongosh ping"
    grace = 10 * SLACK  # its start alone takes about a second

    @property
    def command(self):
        return os.environ.get("MONGOSH") or find(self.program)

    def line(self, q, scene):
        k = q.keys
        # The scripted servers do not stream the replies of a monitor.
        uri = k["uri"] + ("&" if "?" in k["uri"] else "?") + "serverMonitoringMode=poll"
        line = [*self.command.split(), "--quiet", "--norc", uri,
                "--eval", 'quit(db.adminCommand("ping").ok ? 0 : 1)']
        if "tls_ca" in k:
            line += ["--tlsCAFile", k["tls_ca"]]
        if "tls_cert" in k:
            line += ["--tlsCertificateKeyFile", k["tls_cert"]]
        if "user" in k:
            line += ["--username", k["user"], "--password", k.get("password", "")]
        return line


class ServersOwn(Peer):
    """A server's own client, asked for a ping, as a health check of an image has it."""

    type = None

    def can(self, q):
        return q.type == self.type and bool(q.port or q.unix) and not q.has("require", "max_lag", "warn_lag", "tls_ca")


class RedisCli(ServersOwn):
    program = "redis-cli"
    name = "redis-cli ping"
    type = "redis"

    def line(self, q, scene):
        user, password = q.login
        return [self.command, *(["-s", q.unix] if q.unix else ["-h", q.host, "-p", str(q.port)]),
                *(["--user", user] if user else []), *(["-a", password, "--no-auth-warning"] if password else []),
                *(["--tls", "--insecure"] if q.tls else []), "PING"]  # as the scripted server knows it


class PgIsready(ServersOwn):
    program = "pg_isready"
    type = "postgres"

    def line(self, q, scene):
        return [self.command, "-q", "-h", q.unix or q.host, *(["-p", str(q.port)] if q.port else []), "-t",
                str(q.seconds), *(["-U", q.login[0]] if q.login[0] else []), *(["-d", q.database] if q.database else [])]


class Mysqladmin(ServersOwn):
    program = "mysqladmin"
    name = "mysqladmin ping"
    type = "mysql"

    def line(self, q, scene):
        user, password = q.login
        where = ["-S", q.unix] if q.unix else ["-h", q.host, "-P", str(q.port), "--protocol=tcp"]
        return [self.command, "--no-defaults", *where, f"--connect-timeout={q.seconds}",
                *([f"-u{user}"] if user else []), *([f"-p{password}"] if password else []), *(["--ssl"] if q.tls else []),
                "ping"]


PEERS = [WaitForIt(), Nc(), Curl(), Haproxy(), Blackbox(), Pymongo(), Mongosh(), RedisCli(), PgIsready(),
         Mysqladmin()]
