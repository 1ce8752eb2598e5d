"""A pytest plugin for tests that are run once more.

Of those that --reruns ran again, it shows why they failed at first: pytest-rerunfailures keeps that for itself, and of a
test that passes then, or fails otherwise, nothing else is left.

Those that failed every time are run once more when no other suite runs. PROBE_TEST_FAILED=FILE writes their names
there, PROBE_TEST_ONLY=FILE runs the tests that it names and no other, one after the other.
"""

import os

import pytest

TESTS = 20  # that are shown in all
LINES = 40  # of each, the last ones, where the error is
WIDTH = 300  # of a line
# Not for a pytest that a test starts.
ONLY = os.environ.pop("PROBE_TEST_ONLY", None)
FAILED = os.environ.pop("PROBE_TEST_FAILED", None)


def pytest_load_initial_conftests(args):
    if ONLY:
        args += ["-n", "0"]


def pytest_collection_modifyitems(config, items):
    if not ONLY:
        return
    with open(ONLY) as file:
        wanted = set(file.read().splitlines())
    if missing := wanted - {item.nodeid for item in items}:
        raise pytest.UsageError(f"{ONLY} names tests that are not there: {', '.join(sorted(missing))}")
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in wanted])
    items[:] = [item for item in items if item.nodeid in wanted]


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    if FAILED:
        names = {without_group(report.nodeid): None for kind in ("failed", "error") for report in stats.get(kind, [])}
        with open(FAILED, "w") as file:
            file.writelines(f"{name}\n" for name in names)
    show_first_failures(terminalreporter, stats.get("rerun", []))


def without_group(name):
    """--dist loadgroup puts a test's group behind its name."""
    at = name.rfind("@")
    return name[:at] if at > name.rfind("]") else name


def show_first_failures(terminalreporter, first):
    if not first:
        return
    terminalreporter.section("first failures of tests that were run once more")
    for report in first[:TESTS]:
        lines = report.longreprtext.splitlines()
        left_out = len(lines) - LINES
        terminalreporter.write_sep("_", f"{report.nodeid} ({report.when})")
        if left_out > 0:
            terminalreporter.write_line(f"... {left_out} lines before these are left out")
        for line in lines[-LINES:]:
            terminalreporter.write_line(line if len(line) <= WIDTH else f"{line[:WIDTH]}...")
    if len(first) > TESTS:
        terminalreporter.write_line(f"... and {len(first) - TESTS} more first failures")
