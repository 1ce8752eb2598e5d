"""`run --peers` in a few rows: the table is there, and the programs were truly asked."""

import subprocess
import sys

from stage import Stage  # noqa: F401  (the path of tests/e2e)
from lib.program import ROOT


def test_side_by_side():
    done = subprocess.run(
        [sys.executable, ROOT / "tests/truth/run", "--peers", "http: (up|500|refused)$"],
        capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in done.stdout.splitlines() if line.startswith("|")]
    head = lines[0]
    rows = {line[0]: dict(zip(head, line)) for line in lines}
    truth = {"http: up": "healthy", "http: 500": "unhealthy", "http: refused": "unhealthy"}
    for name, verdict in truth.items():
        for asked in ("truth", "probe", "curl -f", "HAProxy"):
            assert rows[name][asked] == verdict, (name, asked, done.stdout)
