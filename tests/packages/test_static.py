"""The static program: how it is linked, and that what it is made of is what is pinned."""

import os
import re
import struct
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, sh

STATIC = Path(os.environ.get("PROBE_STATIC", ROOT / "build-static/probe"))
pytestmark = pytest.mark.skipif(not STATIC.exists(), reason=f"no {STATIC}: packaging/static/build makes it")


def segments():
    return sh("readelf", "-lW", STATIC).stdout


def test_it_is_a_position_independent_program_that_needs_no_other():
    with STATIC.open("rb") as f:
        assert struct.unpack("<H", f.read(18)[16:])[0] == 3, "ET_DYN"
    assert "INTERP" not in segments()
    dynamic = sh("readelf", "-dW", STATIC).stdout
    assert "NEEDED" not in dynamic and "TEXTREL" not in dynamic
    assert re.search(r"FLAGS_1.*NOW.*PIE", dynamic) and re.search(r"\(FLAGS\).*BIND_NOW", dynamic)


def test_its_relocations_are_read_only_and_its_stack_holds_no_code():
    assert "GNU_RELRO" in segments()
    assert re.search(r"GNU_STACK.* RW ", segments())
    assert not re.search(r"LOAD.* RWE ", segments())


def test_its_functions_guard_the_stack():
    code = sh("objdump", "-d", "--no-show-raw-insn", STATIC).stdout
    assert code.count("%fs:0x28") > 500


def loaded_at():
    """Where the program lies in a run of its own."""
    process = subprocess.Popen([STATIC, "wait", "--timeout", "1m", "tcp://127.0.0.1:9"], stderr=subprocess.PIPE)
    try:
        assert process.stderr.readline(), "it runs"
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        return next(line.split("-")[0] for line in maps.splitlines() if str(STATIC) in line)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_its_address_differs_from_run_to_run():
    assert len({loaded_at() for _ in range(3)}) > 1


def test_it_is_small():
    assert STATIC.stat().st_size <= 3.75 * 2**20


def test_it_is_made_of_what_is_pinned():
    pinned = [tuple(line.split()) for line in (ROOT / "packaging/static/versions").read_text().splitlines() if line[0] != "#"]
    pinned = [pin for pin in pinned if pin[0] != "cmocka"]  # of the unit tests alone
    used = [tuple(line.split()[:3]) for line in (STATIC.parent / "probe.manifest").read_text().splitlines()]
    assert {name for name, *_ in pinned} | {"gcc"} == {name for name, *_ in used}
    other = set(used) - set(pinned)
    assert {name for name, *_ in other} == {"gcc"}, f"not pinned: {other}"
    licences = {f.name for f in (STATIC.parent / "licences").iterdir()}
    assert licences == {name for name, *_ in pinned} | {"README"}


def test_no_source_is_changed():
    """What Debian ships is what is built: no patch, no edit."""
    for name in ("build", "deps.sh"):
        text = (ROOT / "packaging/static" / name).read_text()
        assert not re.search(r"\bsed -i\b|\bpatch\b|-Wl,-T|--wrap", text), name


def test_a_source_of_the_users_own_is_not_taken_from_the_cache(tmp_path):
    """Whoever links with another libmicrohttpd (its licence is the LGPL) gets that one."""
    def prefix(**more):
        return sh(ROOT / "packaging/static/build", "--print-prefix", env=dict(os.environ, **more)).stdout

    usual = prefix()
    assert prefix(PROBE_STATIC_SOURCES=str(tmp_path)) == usual, "nothing lies there"
    (tmp_path / "libmicrohttpd_9.9.dsc").write_text("Version: 9.9-1\n")
    mine = prefix(PROBE_STATIC_SOURCES=str(tmp_path))
    assert mine != usual
    (tmp_path / "libmicrohttpd_9.9.dsc").write_text("Version: 9.9-2\n")
    assert prefix(PROBE_STATIC_SOURCES=str(tmp_path)) not in (mine, usual)
