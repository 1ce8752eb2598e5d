"""Runs short-lived commands side by side: wall time, CPU, memory, instructions."""

import re
import subprocess

from . import figures


class Command:
    """`argv` of one contestant. `every`: only in every n-th round, for the slow ones. `code`: the exit
    code of a right run."""

    def __init__(self, who, argv, every=1, code=0, count_instructions=True):
        self.who, self.argv, self.every, self.code = who, [str(a) for a in argv], every, code
        self.count_instructions = count_instructions
        self.wall, self.cpu, self.max_rss = [], [], 0
        self.rss = self.own = self.instructions = None

    def result(self):
        return {"who": self.who, "wall_us": figures.spread(self.wall), "cpu_us": figures.spread(self.cpu),
                "rss_kib": self.rss or self.max_rss, "anonymous_kib": self.own, "instructions": self.instructions}


def _check(command, code):
    if code != command.code:
        done = subprocess.run(command.argv, capture_output=True, text=True, timeout=60)
        said = (done.stdout + done.stderr).strip()[-300:]
        raise RuntimeError(f"{command.who} ended with {code} instead of {command.code}; once more it ended with"
                           f" {done.returncode} and said: {said}")


def spawn(ctx, options, commands):
    argv = [ctx.tool("spawn"), *map(str, options)]
    for i, c in enumerate(commands):
        argv += ([","] if i else []) + ([f"+{c.every}"] if c.every > 1 else []) + c.argv
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"spawn: {done.stderr.strip()}")
    return [[int(x) for x in line.split("\t")] for line in done.stdout.splitlines()]


def instructions(argv, timeout=60):
    """User-space instructions of one run, by callgrind; None where it cannot tell."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *argv],
                          capture_output=True, text=True, timeout=timeout)
    found = re.search(r"Collected : (\d+)", done.stderr)
    return int(found.group(1)) if found else None


def instructions_each(argv_of, n):
    """User-space instructions of one more of what `argv_of(k)` does k times; None: not to be had."""
    try:
        few, many = instructions(argv_of(1)), instructions(argv_of(1 + n))
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (many - few) / n if few and many else None


def checks_of_engine(ctx, uri, *options):
    """For instructions_each: k checks, one after the other, each by a fresh connection."""
    return lambda k: [ctx.probe, *options, "wait", "-q", "--timeout", "50s", "--interval", "1ms", "--successes", str(k),
                      uri]


def interleaved(ctx, commands, rounds, seconds):
    """Runs them in turn, at most `seconds` long, and fills them in. The first round warms up."""
    for code_line in spawn(ctx, ["-n", "1"], [Command(c.who, c.argv) for c in commands]):
        _check(commands[code_line[0]], code_line[5])
    for i, wall, user, system, rss, code in spawn(ctx, ["-n", rounds, "-s", seconds], commands):
        c = commands[i]
        _check(c, code)
        c.wall.append(wall / 1000)
        c.cpu.append(user + system)
        c.max_rss = max(c.max_rss, rss)
    for i, rss, own, code in spawn(ctx, ["-m"], commands):
        if code == commands[i].code and own >= 0:
            # What a process maps at its end; a big one's peak may have been before.
            peak = commands[i].max_rss if commands[i].max_rss > 8 * 1024 else 0
            commands[i].rss, commands[i].own = max(rss, peak), own
    for c in commands[:1] if ctx.quick else commands:
        if c.count_instructions:
            try:
                c.instructions = instructions(c.argv)
            except (OSError, subprocess.TimeoutExpired):
                c.instructions = None
    return [c.result() for c in commands]


COLUMNS = ["", "wall, median", "p10 to p90", "x floor", "CPU", "peak RSS", "of it anonymous", "instructions", "runs"]


def lines(results, floor=None):
    """The lines of a table with COLUMNS."""
    base = next((r["wall_us"]["median"] for r in results if r["who"] == floor), None)
    out = []
    for r in results:
        w = r["wall_us"]
        out.append([r["who"], figures.duration(w["median"]),
                    figures.between(w),
                    figures.ratio(w["median"] / base) if base else "",
                    figures.duration(r["cpu_us"]["median"]), figures.size(r["rss_kib"]),
                    figures.size(r["anonymous_kib"]), figures.count(r["instructions"]), str(w["n"])])
    return out


def of(results, who, key="wall_us"):
    r = next(r for r in results if r["who"] == who)
    return r[key]["median"] if isinstance(r[key], dict) else r[key]
