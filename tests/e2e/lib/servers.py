"""Real servers: MongoDB by the ladder of tests/servers/mongo-server, nginx, haproxy, and a DNS
server that can be told to misbehave. Each in a private folder, ended by its pid."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .net import accepts, free_port, wait_until
from .program import ROOT

LADDER = ROOT / "tests/servers/mongo-server"


def sbin(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert path, f"{name} is not installed: packaging/lib/deps.sh does that"
    return path


class Process:
    """A server in the foreground, its output in a file."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="probe-server-"))
        self.process = None

    def launch(self, command, ready, env=None):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(c) for c in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.dir,
                env=env,
            )

        def up():
            assert self.process.poll() is None, f"{command[0]} ended:\n{self.log()}"
            return ready()

        wait_until(up, 30, f"{command[0]} is up:\n{self.log()}", every=0.02)

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    @property
    def pid(self):
        return self.process.pid

    def down(self, number=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)

    def close(self):
        self.down()
        shutil.rmtree(self.dir, ignore_errors=True)


class Mongo(Process):
    """A real MongoDB server of one's own."""

    def __init__(self, *options, port=None):
        super().__init__()
        self.options = options
        self.port = port or free_port()
        self.up()

    @property
    def uri(self):
        return f"mongodb://127.0.0.1:{self.port}/"

    def up(self):
        env = dict(os.environ)
        env.pop("MONGODB_URI", None)
        self.launch(
            [LADDER, "start", "--port", self.port, "--dir", self.dir / "data", *self.options],
            lambda: accepts(self.port),
            env,
        )


class Nginx(Process):
    """nginx with one server; `server` is what goes into its block."""

    def __init__(self, server='location / { return 200 "ok\\n"; }', port=None, tls=None, http2=False):
        """`tls`: (certificate, key), and the port speaks it; with `http2`, HTTP/2 as well, or,
        without TLS, nothing else."""
        super().__init__()
        self.tls = tls
        self.http2 = http2
        self.port = port or free_port()
        self.server = server
        self.up()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/"

    def up(self):
        conf = self.dir / "nginx.conf"
        tls = "ssl_certificate {}; ssl_certificate_key {};".format(*self.tls) if self.tls else ""
        temp = "".join(
            f"{kind}_temp_path {self.dir}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        conf.write_text(
            f"daemon off; master_process off; pid {self.dir}/pid; error_log stderr;"
            f"events {{ worker_connections 256; }}"
            f"http {{ access_log off; {temp} default_type text/plain;"
            f"server {{ listen 127.0.0.1:{self.port} {'ssl' if self.tls else ''}"
            f"{' http2' if self.http2 else ''};"
            f"{tls} {self.server} }} }}"
        )
        self.launch([sbin("nginx"), "-p", self.dir, "-c", conf], lambda: accepts(self.port))


class Haproxy(Process):
    """haproxy with the given sections after a small `defaults`."""

    def __init__(self, sections, port):
        super().__init__()
        self.port = port
        self.sections = sections
        self.up()

    def up(self):
        conf = self.dir / "haproxy.cfg"
        conf.write_text(
            "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n"
            f"{self.sections}\n"
        )
        self.launch([sbin("haproxy"), "-db", "-f", conf], lambda: accepts(self.port))


class Redis(Process):
    """A redis-server without a configuration file; `options` as on its command line. With `tls`
    (certificate, key) it speaks TLS on `port`, and asks no certificate of its clients."""

    def __init__(self, *options, port=None, tls=None, sentinel=False, loads=False):
        """`loads`: ready once it listens, also while it loads its data."""
        super().__init__()
        self.port = port or free_port()
        self.tls, self.options, self.sentinel, self.loads = tls, options, sentinel, loads
        self.socket = self.dir / "redis.sock"
        self.up()

    def up(self):
        listen = ["--port", self.port]
        if self.tls:
            listen = ["--port", 0, "--tls-port", self.port, "--tls-cert-file", self.tls[0],
                      "--tls-key-file", self.tls[1], "--tls-auth-clients", "no",
                      "--tls-ca-cert-file", self.tls[0]]
        common = ["--bind", "127.0.0.1", "--save", "", "--dir", self.dir, "--unixsocket", self.socket]
        if self.sentinel:
            (self.dir / "sentinel.conf").write_text("")
            command = [sbin("redis-server"), self.dir / "sentinel.conf", "--sentinel", *listen]
        else:
            command = [sbin("redis-server"), *listen, *common]
        self.launch([*command, *self.options], lambda: accepts(self.port) and (self.loads or self.is_up()))

    def is_up(self):
        return self.sentinel or self.cli("ping").stdout.startswith(("PONG", "NOAUTH"))

    def cli(self, *args):
        command = ["redis-cli", "-s", self.socket, *args]
        return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=30)


class Dns:
    """Answers A and AAAA of `zone` ({name: [addresses] or a word}) over UDP and TCP-less.

    Words: "silent" never answers, "servfail", "refused", "garbage"; a name that is not in the zone
    does not exist. Needs root: the system's resolver file knows port 53 only, so it takes an
    address of its own in 127/8. `resolv_conf()` is what the program's name space is to see.
    """

    def __init__(self, zone):
        self.zone = {name.lower().rstrip("."): what for name, what in zone.items()}
        self.queries = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(100):
            self.address = f"127.{os.getpid() % 200 + 20}.{time.monotonic_ns() % 250}.53"
            try:
                self.sock.bind((self.address, 53))
                break
            except OSError:
                continue
        threading.Thread(target=self._serve, daemon=True).start()

    def resolv_conf(self):
        return f"nameserver {self.address}\noptions timeout:1 attempts:2\n"

    def _serve(self):
        from dnslib import AAAA, QTYPE, RCODE, RR, A, DNSRecord

        while True:
            try:
                data, peer = self.sock.recvfrom(4096)
                query = DNSRecord.parse(data)
            except OSError:
                return
            name = str(query.q.qname).lower().rstrip(".")
            kind = QTYPE[query.q.qtype]
            self.queries.append((name, kind))
            what = self.zone.get(name)
            answer = query.reply()
            if what == "silent":
                continue
            if what == "garbage":
                self.sock.sendto(data[:2] + b"\xff" * 40, peer)
                continue
            if what in ("servfail", "refused"):
                answer.header.rcode = RCODE.SERVFAIL if what == "servfail" else RCODE.REFUSED
            elif what is None:
                answer.header.rcode = RCODE.NXDOMAIN
            else:
                for address in what:
                    if (":" in address) == (kind == "AAAA") and kind in ("A", "AAAA"):
                        data = AAAA(address) if kind == "AAAA" else A(address)
                        answer.add_answer(RR(name, query.q.qtype, rdata=data, ttl=1))
            self.sock.sendto(answer.pack(), peer)

    def close(self):
        self.sock.close()


def postgres_bin(name):
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found[-1] if found else sbin(name)


class Postgres(Process):
    """A PostgreSQL server of its own cluster; the superuser "postgres" has the password "pencil".
    `hba`: the lines of pg_hba.conf; `options`: further arguments, as `-c name=value`. It does not run as root, so root
    becomes the user "postgres"."""

    HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"

    def __init__(self, *options, hba=HBA, tls=None, of=None):
        """`of`: a server whose standby it becomes."""
        super().__init__()
        self.port, self.options, self.hba, self.tls = free_port(), options, hba, tls
        self.data = self.dir / "data"
        self.socket = self.dir / f".s.PGSQL.{self.port}"
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres")
        secret = self.file("secret", "pencil")
        if of:
            self.run(postgres_bin("pg_basebackup"), "-D", self.data, "-R", "-X", "stream", "-c", "fast",
                     "-d", f"host={of.dir} port={of.port} user=postgres")
        else:
            self.run(postgres_bin("initdb"), "-D", self.data, "-U", "postgres", "--pwfile", secret, "-A", "trust",
                     "--no-sync", "-E", "UTF8", "--no-locale")
        self.up()

    def file(self, name, text):
        path = self.dir / name
        path.write_text(text)
        path.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
        return path

    def as_user(self, *command):
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        return [str(c) for c in (*(prefix if os.geteuid() == 0 else []), *command)]

    def run(self, *command):
        done = subprocess.run(self.as_user(*command), capture_output=True, text=True, cwd=self.dir)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def sql(self, text, database="postgres"):
        return self.run(postgres_bin("psql"), "-h", self.dir, "-p", self.port, "-U", "postgres", "-Atc", text, database)

    def up(self, ready=None):
        hba = self.file("hba.conf", self.hba)
        tls = []
        if self.tls:
            cert = self.file("server.pem", Path(self.tls[0]).read_text())
            key = self.file("server.key", Path(self.tls[1]).read_text())
            tls = ["-c", "ssl=on", "-c", f"ssl_cert_file={cert}", "-c", f"ssl_key_file={key}"]
        self.launch(
            self.as_user(postgres_bin("postgres"), "-D", self.data, "-k", self.dir, "-p", self.port, "-c",
                         f"hba_file={hba}", "-c", "fsync=off", *tls, *self.options),
            ready or (lambda: subprocess.run([postgres_bin("pg_isready"), "-q", "-h", self.dir, "-p", str(self.port)])
                      .returncode == 0),
        )

    def close(self):
        self.down(signal.SIGQUIT)
        super().close()


class Mariadb(Process):
    """A MariaDB server of its own data folder; root has no password on the socket. The user "health" has the password
    "pencil". Root becomes the user "mysql"."""

    def __init__(self, *options, tls=None, networking=True, host="127.0.0.1"):
        super().__init__()
        self.port, self.options, self.networking, self.host = free_port(), options, networking, host
        self.data, self.socket = self.dir / "data", self.dir / "mysqld.sock"
        self.tls = []
        if os.geteuid() == 0:
            shutil.chown(self.dir, "mysql")
        if tls:
            for name, file in zip(("cert", "key"), tls):
                path = self.dir / f"{name}.pem"
                path.write_text(Path(file).read_text())
                if os.geteuid() == 0:
                    shutil.chown(path, "mysql")
                self.tls.append(f"--ssl-{name}={path}")
        done = subprocess.run(
            self.as_user(sbin("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
                         "--auth-root-authentication-method=normal", "--innodb-log-file-size=4M",
                         "--innodb-use-native-aio=0", f"--tmpdir={self.dir}"),
            capture_output=True, text=True, cwd=self.dir)
        assert done.returncode == 0, done.stdout + done.stderr
        self.up()
        self.sql("CREATE USER IF NOT EXISTS health@'%' IDENTIFIED BY 'pencil'")

    def as_user(self, *command):
        prefix = ["setpriv", "--reuid=mysql", "--regid=mysql", "--clear-groups"]
        return [str(c) for c in (*(prefix if os.geteuid() == 0 else []), *command)]

    def sql(self, text):
        done = subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", str(self.socket), "-BNe", text],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def up(self):
        listen = [f"--port={self.port}", f"--bind-address={self.host}"] if self.networking else []
        self.launch(
            self.as_user(sbin("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                         f"--pid-file={self.dir}/pid", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M",
                         f"--tmpdir={self.dir}", "--innodb-use-native-aio=0",  # of which the kernel has a limit for all together
                         *listen, *self.tls, *self.options),
            lambda: subprocess.run(["mariadb-admin", "--no-defaults", "-uroot", "-S", str(self.socket), "ping"],
                                   capture_output=True).returncode == 0)


class Pgbouncer(Process):
    """PgBouncer before a server of class Postgres; its users have the password "pencil"."""

    def __init__(self, server, **settings):
        super().__init__()
        self.port = free_port()
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres")
        (self.dir / "users").write_text('"postgres" "pencil"\n')
        lines = {"listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "", "auth_type": "scram-sha-256",
                 "auth_file": self.dir / "users", "server_login_retry": 1, "server_connect_timeout": 2, **settings}
        (self.dir / "ini").write_text(
            f"[databases]\nshop = host=127.0.0.1 port={server.port} dbname=postgres\n[pgbouncer]\n"
            + "".join(f"{k} = {v}\n" for k, v in lines.items()))
        self.launch(server.as_user(sbin("pgbouncer"), self.dir / "ini"), lambda: accepts(self.port))
