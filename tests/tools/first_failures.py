"""A pytest plugin: of a test that was run once more, why it failed the first time. pytest-rerunfailures
keeps that for itself, and of a test that passes then, or fails otherwise, nothing else is left."""

TESTS = 20  # that are shown in all
LINES = 40  # of each, the last ones, where the error is
WIDTH = 300  # of a line


def pytest_terminal_summary(terminalreporter):
    first = terminalreporter.stats.get("rerun", [])
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
