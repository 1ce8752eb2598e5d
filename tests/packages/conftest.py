"""Tests of what people install: the release tarball, the Debian package that is built out of it, and
`cmake --install`. The package is installed for real, by dpkg, into a private copy of this machine's
root (an overlay in a mount name space of its own): nothing of the machine changes."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def sh(*command, check=True, **kw):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=900,
        stdin=subprocess.DEVNULL, **kw,
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-4000:]}\n"
            f"{done.stderr[-4000:]}"
        )
    return done


class PrivateRoot:
    """A root of its own over this machine's; what changes is under `upper`."""

    SCRIPT = """
    set -e
    mount -t tmpfs tmpfs "$1"
    mkdir "$1/upper" "$1/work" "$1/root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
    mount -t tmpfs tmpfs "$1/root/run"
    mount --rbind /proc "$1/root/proc"
    mount --rbind /dev "$1/root/dev"
    echo ready
    exec cat
    """

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="probe-root-"))
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", self.SCRIPT, "sh",
             str(self.dir)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        line = self.holder.stdout.readline()
        assert line == "ready\n", f"no private root: {line}{self.holder.stdout.read()}"

    def outside(self, *command, **kw):
        """In the name space, not in the root."""
        return sh("nsenter", "-t", self.holder.pid, "--mount", *command, **kw)

    def run(self, *command, **kw):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
               "LC_ALL": "C.UTF-8"}
        return self.outside("chroot", self.dir / "root", *command, env=env, **kw)

    def shell(self, line, **kw):
        return self.run("sh", "-c", line, **kw)

    def install(self, package, *options, **kw):
        self.outside("cp", package, self.dir / "root/run/package.deb")
        return self.run("dpkg", *options, "--install", "/run/package.deb", **kw)

    def exists(self, path):
        return self.run("test", "-e", path, check=False).returncode == 0

    def text(self, path):
        return self.run("cat", path).stdout

    def changed(self):
        """Everything that differs from the machine, but folders."""
        found = self.outside("find", self.dir / "upper", "!", "-type", "d", "-printf", "/%P\\n")
        return sorted(found.stdout.splitlines())

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(30)
        self.dir.rmdir()


@pytest.fixture
def root():
    assert os.geteuid() == 0, "needs root: a mount name space"
    made = PrivateRoot()
    yield made
    made.close()


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """The release tarball of the tree as it is."""
    out = tmp_path_factory.mktemp("release")
    sh(ROOT / "packaging/release", "--work-tree", "--out", out)
    return next(out.glob("probe-*.tar.gz"))


@pytest.fixture(scope="session")
def sources(release, tmp_path_factory):
    """The tarball, unpacked."""
    out = tmp_path_factory.mktemp("sources")
    sh("tar", "-xzf", release, "-C", out)
    return next(out.iterdir())


@pytest.fixture(scope="session")
def package(sources, tmp_path_factory):
    """The Debian package, built out of the tarball alone."""
    out = tmp_path_factory.mktemp("deb")
    sh(sources / "packaging/deb/build", "--out", out, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    return next(out.glob("*.deb"))


@pytest.fixture(scope="session")
def newer(package, tmp_path_factory):
    """The same package one version on, with another default configuration."""
    out = tmp_path_factory.mktemp("newer")
    sh("dpkg-deb", "-R", package, out / "tree")
    control = out / "tree/DEBIAN/control"
    text = control.read_text()
    version = next(line.split()[1] for line in text.splitlines() if line.startswith("Version:"))
    control.write_text(text.replace(f"Version: {version}", f"Version: {version}+1"))
    config = out / "tree/etc/probe/probe.ini"
    config.write_text(config.read_text() + "\n# new in this version\n")
    sh("dpkg-deb", "--root-owner-group", "-b", out / "tree", out / "newer.deb")
    return out / "newer.deb"
