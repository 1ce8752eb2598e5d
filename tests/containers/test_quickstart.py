"""packaging/quickstart --demo in a container that has nothing but the clone, on each rung of the ladder to a MongoDB
server. Packages are installed and the program is built once, by the first."""

import contextlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from conftest import LABEL, ROOT, Container, docker, sh

GO = Path("/usr/local/go")


def clone():
    """What a clone has, as a tarball."""
    names = sh("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines()
    blob = io.BytesIO()
    with tarfile.open(fileobj=blob, mode="w") as tar:
        for name in names:
            if (ROOT / name).exists():
                tar.add(ROOT / name, f"probe/{name}")
    return blob.getvalue()


@contextlib.contextmanager
def container(base, *options):
    made = Container(docker("run", "--detach", "--init", "--label", LABEL, *options, base, "sleep", "infinity").stdout.strip())
    try:
        subprocess.run(["docker", "cp", "-", f"{made.id}:/"], input=clone(), check=True, timeout=120)
        yield made
    finally:
        docker("rm", "--force", "--volumes", made.id, check=False)


@pytest.fixture(scope="module")
def machine():
    with container(os.environ["PROBE_TEST_BASE"], *(["--volume", f"{GO}:{GO}:ro"] if GO.exists() else [])) as made:
        yield made


def demo(machine, *options, seconds=900):
    done = machine.exec("packaging/quickstart", "--demo", timeout=seconds, options=("--workdir", "/probe", *options))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(not GO.exists(), reason="no Go to lend to the container")
def test_with_go_whose_modules_cannot_be_had(machine):
    code, said = demo(machine, "--env", "GOPROXY=off")
    assert code == 0, said
    assert "NO REAL MONGODB SERVER" in said and "scripted on 127.0.0.1:" in said, said


def test_with_a_program_that_was_built_before(machine):
    server = Path(os.environ["PROBE_TEST_MONGO"])
    machine.exec("mkdir", "-p", "/root/.cache/probe", check=True)
    docker("cp", server, f"{machine.id}:/root/.cache/probe/{server.name}")
    code, said = demo(machine)
    machine.exec("rm", f"/root/.cache/probe/{server.name}")
    assert code == 0 and "ferretdb on 127.0.0.1:" in said, said


def test_with_a_server_of_the_users(machine):
    docker("exec", "--detach", "--workdir", "/probe", machine.id, "python3", "tests/servers/mongo_scripted.py", "--port", "27099")
    code, said = demo(machine, "--env", "MONGODB_URI=mongodb://127.0.0.1:27099/")
    assert code == 0 and "it is only looked at" in said, said


def test_a_server_that_dies_is_told_at_once_with_what_it_said(machine):
    fake = "printf '#!/bin/sh\\necho the disk is full >&2\\nexit 3\\n' >/usr/local/bin/mongod; chmod +x /usr/local/bin/mongod"
    machine.exec("sh", "-c", fake, check=True)
    code, said = demo(machine, seconds=120)
    machine.exec("rm", "/usr/local/bin/mongod")
    assert code == 1 and "the MongoDB server ended" in said and "the disk is full" in said, said


@pytest.mark.skipif("PROBE_TEST_BASE_13" not in os.environ, reason="Debian 13 is tried with PROBE_TEST_LONG=1")
def test_debian_13_without_a_go_of_ours():
    """Debian's own, which is installed with the rest."""
    with container(os.environ["PROBE_TEST_BASE_13"]) as machine:
        code, said = demo(machine, "--env", "GOPROXY=off", seconds=1800)
    assert code == 0 and "NO REAL MONGODB SERVER" in said, said
    assert "golang-go" in said, said
