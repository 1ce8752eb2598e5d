"""What cannot be tested where the program runs in an emulator of another processor: PROBE_EMULATED names
the architecture then, and tests/arch/not_run lists the tests under their reasons."""

import os

import pytest

from .program import ROOT

LIST = ROOT / "tests/arch/not_run"


def not_run(arch):
    """{test: reason} of the end-to-end tests."""
    found, where, reason = {}, None, None
    for line in LIST.read_text().splitlines():
        kind, _, name = line.partition(" ")
        if line.startswith("["):
            where, _, reason = line.strip("[]").partition(": ")
        elif kind == "e2e" and where in ("emulated", arch):
            found[name] = reason
    return found


def skip_not_run(config, items):
    arch = os.environ.get("PROBE_EMULATED")
    if not arch:
        return
    reasons = not_run(arch)
    whole = not any("::" in argument for argument in config.args)
    files = {item.path.name for item in items}
    stale = {name for name in reasons if whole and name.split("::")[0] in files}
    for item in items:
        name = f"{item.path.name}::{item.name}"
        for known in (name, name.split("[")[0]):
            if known in reasons:
                item.add_marker(pytest.mark.skip(reason=reasons[known]))
                stale.discard(known)
    assert not stale, f"{LIST} names tests that are not there: {sorted(stale)}"
