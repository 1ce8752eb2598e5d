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


def once_more(folder, *arguments, **env):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "once_more", "-q",
         "--reruns", "1", "--tb=short", *arguments, "."],
        cwd=folder, env={**inherited, "PYTHONPATH": str(ROOT / "tests/tools"), **env},
        capture_output=True, text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["in one process", "in several"])
def test_a_first_failure_is_shown(tmp_path, workers):
    tmp_path.joinpath("test_flaky.py").write_text(FLAKY)
    code, text = once_more(tmp_path, *workers)
    assert code == 1 and "1 failed, 2 passed, 2 rerun" in text, text
    assert "test_flaky.py::test_passes_then (call)" in text and "why it failed at first" in text
    assert "line 999 of the first failure" in text and "line 9 of the first failure" not in text
    assert "why it failed then" in text
    assert text.count("\n") < 150 and max(map(len, text.splitlines())) < 400, text


BUSY = '''
import os
import pytest

@pytest.mark.xdist_group("some")
@pytest.mark.parametrize("name", ["a b[c]@e", "d"])
def test_wants_to_be_alone(name):
    assert "PYTEST_XDIST_WORKER" not in os.environ

def test_passes():
    pass

@pytest.fixture
def ends_badly():
    yield
    assert "PYTEST_XDIST_WORKER" not in os.environ

def test_fails_at_its_end(ends_badly):
    pass
'''


def test_what_failed_is_run_again_alone(tmp_path):
    tmp_path.joinpath("test_busy.py").write_text(BUSY)
    failed = tmp_path / "failed"
    workers = "-n", "2", "--dist", "loadgroup"
    code, text = once_more(tmp_path, *workers, PROBE_TEST_FAILED=str(failed))
    assert code == 1 and "1 error" in text, text
    assert sorted(failed.read_text().splitlines()) == [
        "test_busy.py::test_fails_at_its_end", "test_busy.py::test_wants_to_be_alone[a b[c]@e]", "test_busy.py::test_wants_to_be_alone[d]"]
    code, text = once_more(tmp_path, *workers, PROBE_TEST_ONLY=str(failed))
    assert code == 0 and "3 passed, 1 deselected" in text, text
    failed.write_text("test_busy.py::test_passes\ntest_busy.py::test_is_gone\n")
    code, text = once_more(tmp_path, *workers, PROBE_TEST_ONLY=str(failed))
    assert code == 4 and "passed" not in text, text
