"""The Debian package: what dpkg, lintian and systemd make of it."""

import os
import re

from conftest import sh

FILES = """
/etc/probe/probe.ini
/usr/bin/probe
/usr/lib/systemd/system/probe.service
/usr/lib/sysusers.d/probe.conf
/usr/lib/tmpfiles.d/probe.conf
/usr/share/bash-completion/completions/probe
/usr/share/doc/probe/changelog.gz
/usr/share/doc/probe/copyright
/usr/share/doc/probe/examples/probe.ini
/usr/share/doc/probe/examples/sidecar.ini
/usr/share/fish/vendor_completions.d/probe.fish
/usr/share/man/man1/probe.1.gz
/usr/share/man/man5/probe.ini.5.gz
/usr/share/man/man7/probe-api.7.gz
/usr/share/zsh/vendor-completions/_probe
""".split()

# What dpkg and the account tools write for themselves, whatever the package.
BOOKKEEPING = re.compile(
    r"/var/lib/dpkg/(status|status-old|available|lock|lock-frontend|diversions|triggers/.*|"
    r"info/format)$|/var/log/dpkg.log$|/var/cache/(debconf|ldconfig|man)/|/etc/ld.so.cache$|"
    r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd\.lock$|"
    r"/usr/share/(info/dir|applications/mimeinfo.cache)"
)


def test_lintian(package, tmp_path):
    """No error and no warning; what it only notes is printed."""
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # it leaves some of its files
    done = sh("lintian", "--fail-on", "error,warning", "--allow-root", package, check=False, env=env)
    assert done.returncode == 0 and not re.search(r"^[EW]:", done.stdout, re.M), done.stdout
    print(sh("lintian", "--display-info", "--pedantic", "--allow-root", package, check=False, env=env).stdout)


def test_contents(package):
    names = sh("dpkg-deb", "-c", package)
    rows = [line.split(None, 5) for line in names.stdout.splitlines()]
    found = {row[5].split(" -> ")[0].lstrip("."): row for row in rows}
    assert not [name for name in FILES if name not in found]
    assert all(row[1] == "root/root" for row in rows)
    assert not [name for name, row in found.items() if row[0].startswith("-") and "w" in row[0][5:]]
    control = sh("dpkg-deb", "-f", package).stdout
    depends = re.search(r"^Depends: (.*)$", control, re.M).group(1)
    for library in ("libuv1", "libcurl4", "libmongoc", "libssl3", "libc6", "libmicrohttpd"):
        assert library in depends


def test_same_again(sources, package, tmp_path):
    """Packed a second time, it is the same package."""
    sh(sources / "packaging/deb/build", "--out", tmp_path,
       env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    again = next(tmp_path.glob("*.deb"))
    assert again.read_bytes() == package.read_bytes()
    sh("sha256sum", "-c", f"{again.name}.sha256", cwd=tmp_path)


def test_install(root, package):
    root.install(package)
    for path in FILES:
        assert root.exists(path), path
    assert root.run("probe", "version").stdout.startswith("probe ")
    root.run("probe", "validate")
    passwd = root.run("getent", "passwd", "probe").stdout.strip().split(":")
    assert passwd[4:] == ["Health-check agent", "/", "/usr/sbin/nologin"], passwd
    assert 0 < int(passwd[2]) < 1000, "a system account"
    assert root.run("stat", "-c", "%U:%G %a", "/run/probe").stdout == "probe:probe 755\n"
    assert root.run("systemctl", "--root=/", "is-enabled", "probe.service").stdout == "enabled\n"
    assert root.run("man", "-w", "probe", check=False).stdout.strip() in ("", "/usr/share/man/man1/probe.1.gz")
    # The agent runs as that account in that folder.
    root.shell("printf '[agent]\\nlisten = off\\n[probe a]\\npid = 1\\n' >/run/a.ini")
    out = root.run(
        "setpriv", "--reuid", "probe", "--regid", "probe", "--clear-groups", "sh", "-c",
        "probe run -c /run/a.ini 2>/dev/null & "
        "for i in $(seq 200); do probe status -c /run/a.ini >/dev/null 2>&1 && break; sleep 0.1; done; "
        "stat -c %U:%a /run/probe/probe.sock; kill $!; wait $!; echo ended with $?",
    )
    assert out.stdout == "probe:660\nended with 0\n", out.stdout + out.stderr


def test_unit(root, package):
    """systemd finds nothing wrong with the unit, and rates it."""
    root.install(package)
    unit = "/usr/lib/systemd/system/probe.service"
    done = root.run("systemd-analyze", "verify", "--man=no", unit)
    assert done.stdout + done.stderr == "", done.stdout + done.stderr
    done = root.run("systemd-analyze", "security", "--offline=true", "--threshold=15", unit, check=False)
    rating = re.search(r"Overall exposure level.*: ([0-9.]+) (\w+)", done.stdout)
    assert done.returncode == 0 and rating and float(rating.group(1)) <= 1.5, done.stdout
    text = root.text(unit)
    for line in ("Type=notify", "WatchdogSec=", "ExecReload=", "User=probe"):
        assert f"\n{line}" in text


def test_upgrade_keeps_the_configuration(root, package, newer):
    root.install(package)
    root.shell("printf '[probe mine]\\naddress = 127.0.0.1:1\\n' >/etc/probe/probe.ini")
    root.shell("chmod 600 /etc/probe/probe.ini")
    root.run("systemctl", "--root=/", "disable", "probe.service")
    root.install(newer, "--force-confdef")
    assert root.run("dpkg-query", "-W", "-f=${Version}", "probe").stdout.endswith("+1")
    assert root.text("/etc/probe/probe.ini").startswith("[probe mine]\n")
    assert root.run("stat", "-c", "%a", "/etc/probe/probe.ini").stdout == "600\n"
    assert "new in this version" in root.text("/etc/probe/probe.ini.dpkg-dist")
    # Disabled is disabled, over the upgrade as well.
    state = root.run("systemctl", "--root=/", "is-enabled", "probe.service", check=False)
    assert state.stdout == "disabled\n"
    root.run("dpkg", "--purge", "probe")
    assert not root.exists("/etc/probe"), "a purge takes the copies as well"


def test_upgrade_of_an_untouched_configuration(root, package, newer):
    root.install(package)
    root.install(newer)
    assert "new in this version" in root.text("/etc/probe/probe.ini")


def test_remove_and_purge(root, package):
    before = {path: root.text(path) for path in ("/etc/passwd", "/etc/group")}
    root.install(package)
    root.shell("echo '# mine' >>/etc/probe/probe.ini")
    root.run("dpkg", "--remove", "probe")
    assert not root.exists("/usr/bin/probe") and not root.exists("/usr/share/man/man1/probe.1.gz")
    assert "# mine" in root.text("/etc/probe/probe.ini"), "a removal keeps the configuration"
    # And it is there again after the next installation.
    root.install(package)
    assert "# mine" in root.text("/etc/probe/probe.ini")
    assert root.run("systemctl", "--root=/", "is-enabled", "probe.service").stdout == "enabled\n"
    root.run("dpkg", "--purge", "probe")
    left = [path for path in root.changed() if not BOOKKEEPING.match(path)]
    assert left == [], left
    for path, text in before.items():
        assert root.text(path) == text
    assert not root.exists("/run/probe") and not root.exists("/etc/probe")
    assert root.run("dpkg-query", "-W", "probe", check=False).returncode != 0


def test_purge_leaves_the_account_of_somebody_else(root, package):
    root.run("useradd", "--system", "--comment", "another's", "--home-dir", "/srv", "probe")
    root.install(package)
    root.run("dpkg", "--purge", "probe")
    assert "another's" in root.run("getent", "passwd", "probe").stdout
