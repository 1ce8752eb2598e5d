"""Real servers for the rows that need them: nginx, FerretDB, Redis, PostgreSQL, MariaDB, and certificates of a CA of
one's own."""

import glob
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.strip()[-200:]}")


def certificates(ctx):
    """{"ca", "cert", "key"}: files, of a server on any of a few names."""
    f = {name: ctx.path(f"{name}.pem") for name in ("ca", "ca_key", "cert", "key", "csr")}
    openssl("req", "-x509", *CURVE, "-keyout", f["ca_key"], "-out", f["ca"], "-days", "3", "-subj", "/CN=bench CA")
    openssl("req", *CURVE, "-keyout", f["key"], "-out", f["csr"], "-subj", "/CN=bench")
    names = ctx.write("san.ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", f["csr"], "-CA", f["ca"], "-CAkey", f["ca_key"], "-CAcreateserial", "-out",
            f["cert"], "-days", "2", "-extfile", names)
    return f


def sbin(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def nginx(ctx, tls=None, location='location / { return 200 "ok\\n"; }', extra="", cpu=None):
    """One process of nginx on a port of all of 127/8, which is returned."""
    port = ctx.port()
    home = ctx.path(f"nginx-{port}")
    os.mkdir(home)
    temp = "".join(f"{k}_temp_path {home}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    pair = f"ssl_certificate {tls['cert']}; ssl_certificate_key {tls['key']};" if tls else ""
    conf = ctx.write(f"nginx-{port}.conf", "daemon off; master_process off; "
                     f"pid {home}/pid; error_log {home}/error; worker_rlimit_nofile 20000;"
                     "events { worker_connections 10000; }"
                     f"http {{ access_log off; {temp} default_type text/plain; sendfile on; keepalive_requests 100000;"
                     f"server {{ listen {port} {'ssl' if tls else ''} backlog=4096; {pair} {location} {extra} }} }}\n")
    ctx.start([sbin("nginx"), "-p", home, "-c", conf], cpu=cpu)
    ctx.wait_port(port)
    return port


def ferretdb(ctx, tls):
    """A server with SCRAM (u:p) and TLS; the port of TLS is returned."""
    port, tls_port = ctx.port(), ctx.port()
    env = {k: v for k, v in os.environ.items() if k != "MONGODB_URI"}
    ctx.start([os.path.join(ROOT, "tests/servers/mongo-server"), "start", "--port", port, "--dir", ctx.path(f"f{port}"),
               "--user", "u", "--password", "p", "--tls-cert", tls["cert"], "--tls-key", tls["key"], "--tls-port",
               tls_port], env=env)
    ctx.wait_port(tls_port, 300)
    return tls_port


def _as_user(user):
    """What a server that will not run as root is started by."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.geteuid() == 0 else []


def _home(ctx, name, user):
    os.chmod(ctx.dir, 0o755)
    home = ctx.path(name)
    os.mkdir(home)
    if os.geteuid() == 0:
        shutil.chown(home, user)
    return home


def _made(argv, home):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd=home)
    if done.returncode != 0:
        raise RuntimeError(f"{argv}: {(done.stdout + done.stderr).strip()[-300:]}")


def redis(ctx):
    port = ctx.port()
    ctx.start([shutil.which("redis-server"), "--port", port, "--save", "", "--dir", ctx.dir, "--daemonize", "no"],
              stdout=subprocess.DEVNULL)
    ctx.wait_port(port)
    return port


def postgres_tool(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else sbin(name)


def postgres(ctx):
    """One that asks for a login by SCRAM; it has no TLS."""
    port, home = ctx.port(), _home(ctx, "postgres", "postgres")
    _made([*_as_user("postgres"), postgres_tool("initdb"), "-D", f"{home}/data", "-U", "postgres", "-A", "trust",
           "--no-sync", "--no-locale"], home)
    hba = ctx.write("hba.conf", "host all all 127.0.0.1/32 scram-sha-256\n")
    os.chmod(hba, 0o644)
    ctx.start([*_as_user("postgres"), postgres_tool("postgres"), "-D", f"{home}/data", "-k", home, "-p", port, "-c",
               f"hba_file={hba}", "-c", "fsync=off"], cwd=home)
    ctx.wait_port(port)
    ctx.wait(lambda: subprocess.run([postgres_tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)])
             .returncode == 0, 30, "PostgreSQL")
    return port


def mariadb(ctx):
    """Its user health has the password pencil."""
    port, home = ctx.port(), _home(ctx, "mariadb", "mysql")
    small = ["--innodb-log-file-size=4M", "--innodb-use-native-aio=0", f"--tmpdir={home}"]
    _made([*_as_user("mysql"), sbin("mariadb-install-db"), "--no-defaults", f"--datadir={home}/data",
           "--skip-test-db", "--auth-root-authentication-method=normal", *small], home)
    ctx.start([*_as_user("mysql"), sbin("mariadbd"), "--no-defaults", f"--datadir={home}/data",
               f"--socket={home}/s.sock", f"--port={port}", "--bind-address=127.0.0.1", *small], cwd=home)
    ctx.wait_port(port, 60)
    _made(["mariadb", "--no-defaults", "-uroot", "-S", f"{home}/s.sock", "-e",
           "CREATE USER health@'%' IDENTIFIED BY 'pencil'"], home)
    return port
