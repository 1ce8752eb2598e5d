"""tests/bench/run, once all is built: runs the rows and writes the reports."""

import argparse
import atexit
import concurrent.futures
import os
import shutil
import sys
import tempfile
import time
import traceback

from . import report, rows_agent, rows_api, rows_once, rows_scale, rows_set, rows_time
from .context import Context
from .figures import Row

ALL = {**rows_once.ROWS, **rows_time.ROWS, **rows_agent.ROWS, **rows_scale.ROWS, **rows_set.ROWS, **rows_api.ROWS}
# In the order in which they run; where time runs out, the last go without.
ROWS = {name: ALL[name] for name in ("once", "once-stack", "once-tls", "status", "loop", "gate", "detect", "start", "agent", "ping",
                                     "set", "hang", "api", "metrics", "scale", "idle")}
assert len(ROWS) == len(ALL)

# No row begins after that, so that all is done within 15 minutes; the longest takes less than 3.
LAST_START_S = 12 * 60


def run_row(args, name, started):
    function, title = ROWS[name]
    row, ctx = Row(name, title), Context(args.probe, args.tools, args.quick)
    ctx.log(f"{name}: {title}")
    begin = time.monotonic()
    try:
        if begin - started > LAST_START_S:
            raise TimeoutError("the 15 minutes of a run were nearly over before its turn")
        function(ctx, row)
    except (RuntimeError, TimeoutError) as e:
        row.failure = str(e)
    except Exception as e:  # a row that fails must not take the others along
        row.failure = f"{type(e).__name__}: {e}"
        traceback.print_exc()
    finally:
        ctx.close()
    row.seconds = time.monotonic() - begin
    said = [f"{name} took {row.seconds:.0f} s"]
    for t in [] if args.quick else row.targets:
        word = "not measured" if t["met"] is None else "met" if t["met"] else "MISSED"
        said.append(f"  {word:7} {t['what']}: {t['measured']} ({t['target']})")
    if row.failure:
        said.append(f"  could not be measured: {row.failure}")
    ctx.log("\n  ".join(said))
    return row


def run_row_twice(args, name, started):
    """On a busy machine a row can lose a race that says nothing; one that fails twice has failed."""
    row = run_row(args, name, started)
    return run_row(args, name, started) if row.failure and args.quick else row


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures probe side by side with what people"
                                     " would use instead. Without names: every row.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--probe", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tools", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--out", default="build-bench", metavar="DIR", help="where report.md and report.json go")
    parser.add_argument("--charts", metavar="DIR", help="where the charts go, as SVG (default: charts in --out)")
    parser.add_argument("--quick", action="store_true", help="only that every row runs and yields figures")
    args = parser.parse_args()
    unknown = [n for n in args.names if n not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    names, begin, rows = args.names or list(ROWS), time.monotonic(), []
    # A build meanwhile must not change what is measured.
    mine = tempfile.mkdtemp(prefix="probe-bench.")
    args.probe = shutil.copy(args.probe, os.path.join(mine, "probe"))
    atexit.register(shutil.rmtree, mine, True)
    # Figures are only worth something when one row runs at a time; a quick run is not after them.
    with concurrent.futures.ThreadPoolExecutor(4 if args.quick else 1) as pool:
        for row in pool.map(lambda name: run_row_twice(args, name, begin), names):
            rows.append(row)
            report.write(rows, args, time.monotonic() - begin)
    print(f"bench: {os.path.join(args.out, 'report.md')}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    report.charts(rows, args.charts or os.path.join(args.out, "charts"))
    failed = [r.name for r in rows if r.failure]
    if failed:
        print(f"bench: could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
