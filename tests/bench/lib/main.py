"""tests/bench/run, once all is built: runs the rows and writes the reports."""

import argparse
import os
import sys
import time
import traceback

from . import report, rows_agent, rows_api, rows_once
from .context import Context
from .figures import Row

ROWS = {**rows_once.ROWS, **rows_agent.ROWS, **rows_api.ROWS}


def run_row(ctx, name):
    function, title = ROWS[name]
    row = Row(name, title)
    ctx.log(f"{name}: {title}")
    begin = time.monotonic()
    try:
        function(ctx, row)
    except Exception as e:  # a row that fails must not take the others along
        row.failure = f"{type(e).__name__}: {e}"
        traceback.print_exc()
    finally:
        ctx.stop_all()
    row.seconds = time.monotonic() - begin
    for t in row.targets:
        word = "not measured" if t["met"] is None else "met" if t["met"] else "MISSED"
        ctx.log(f"  {word:7} {t['what']}: {t['measured']} ({t['target']})")
    if row.failure:
        ctx.log(f"  could not be measured: {row.failure}")
    return row


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures probe side by side with what people"
                                     " would use instead. Without names: every row.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--probe", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tools", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--out", default="build-bench", metavar="DIR", help="where report.md and report.json go")
    parser.add_argument("--charts", metavar="DIR", help="draws the charts there, as SVG")
    parser.add_argument("--quick", action="store_true", help="only that every row runs and yields figures")
    args = parser.parse_args()
    unknown = [n for n in args.names if n not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    begin, rows = time.monotonic(), []
    ctx = Context(args.probe, args.tools, args.quick)
    try:
        for name in args.names or ROWS:
            rows.append(run_row(ctx, name))
            report.write(rows, ctx, time.monotonic() - begin, args.out)
    finally:
        ctx.close()
    ctx.log(f"{os.path.join(args.out, 'report.md')}: {time.monotonic() - begin:.0f} s")
    failed = [r.name for r in rows if r.failure]
    if failed:
        ctx.log(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
