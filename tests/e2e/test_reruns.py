"""tests/run runs what failed once more: the first failure must not be lost."""

import os
import subprocess
import sys

import pytest
from lib.program import ROOT

FLAKY = '''
from pathlib import Path

def first(name):
    path = Path(__file__).with_name(name)
    known = path.exists()
    path.write_text("")
    return not known

def test_passes_then():
    assert not first("a"), "why it failed at first" + 10000 * "x"

def test_fails_otherwise():
    assert not first("b"), "\\n".join(f"line {i} of the first failure" for i in range(1000))
    assert 1 == 2, "why it failed then"

def test_passes():
    pass
'''


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["in one process", "in several"])
def test_a_first_failure_is_shown(tmp_path, workers):
    tmp_path.joinpath("test_flaky.py").write_text(FLAKY)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "first_failures", "-q",
         "--reruns", "1", "--tb=short", *workers, "."],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT / "tests/tools")},
        capture_output=True, text=True,
    )
    text = done.stdout
    assert done.returncode == 1 and "1 failed, 2 passed, 2 rerun" in text, text + done.stderr
    assert "test_flaky.py::test_passes_then (call)" in text and "why it failed at first" in text
    assert "line 999 of the first failure" in text and "line 9 of the first failure" not in text
    assert "why it failed then" in text
    assert text.count("\n") < 150 and max(map(len, text.splitlines())) < 400, text
