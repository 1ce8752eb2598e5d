"""A row of the truth matrix: a situation, and what every command of the program has to say of it."""

import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

HEALTHY, UNHEALTHY = "healthy", "unhealthy"

ORDER = ("tcp", "http", "https", "dns", "mongo", "process", "redis", "postgres", "mysql", "agent")

DURATION = re.compile(r"^timeout = (\d+)(ms|s)$", re.MULTILINE)


@dataclass
class Situation:
    """What a row's function has made: the target as keys of a probe, and how to come to it."""

    keys: str  # lines of the probe's section, e.g. "address = 127.0.0.1:1234"
    env: dict = field(default_factory=dict)
    prefix: list = field(default_factory=list)  # in front of `probe`, e.g. nsenter
    change: Callable = None  # turns the situation into that of the row's `then`


@dataclass
class Row:
    type: str
    name: str
    situation: Callable  # of a Stage; its first line of documentation is shown in the table
    verdict: str
    reason: str  # one word; "a|b" where the network may truly show either
    settings: str = ""  # further keys of the probe, ";" between two
    detail: str = ""  # a regular expression that the detail has to match
    then: tuple = None  # (verdict, reason) once the situation has changed
    then_detail: str = ""
    early: float = 0.01  # seconds before its deadline that a timeout may be told
    ways: tuple = ("check", "wait", "agent")
    peers: bool = True  # False: the truth is a rule of probe's own, or made for its way of asking
    by: Callable = None  # of (row, stage): a row that is run in a way of its own

    @property
    def id(self):
        return f"{self.type}: {self.name}"

    @property
    def lines(self):
        """The settings as lines of the configuration; the timeout is always among them."""
        lines = "\n".join(part.strip() for part in self.settings.split(";"))
        return lines if DURATION.search(lines) else f"timeout = 5s\n{lines}"

    @property
    def timeout(self):
        """In seconds: the deadline that every single check has to keep."""
        number, unit = DURATION.search(self.lines).groups()
        return int(number) / (1000 if unit == "ms" else 1)

    @property
    def how(self):
        return (self.situation.__doc__ or self.situation.__name__).strip().splitlines()[0]

    @property
    def last(self):
        return self.then or (self.verdict, self.reason)


# What each command has to exit with.
EXIT = {"check": {HEALTHY: 0, UNHEALTHY: 1}, "wait": {HEALTHY: 0, UNHEALTHY: 124}}


def rows(type_, *lines):
    """Rows of one type out of tuples: (name, situation, verdict, reason[, settings[, further]]).
    `further` is a dictionary of what else a Row has."""
    made = []
    for name, situation, verdict, reason, *rest in lines:
        settings = rest[0] if rest else ""
        further = rest[1] if len(rest) > 1 else {}
        made.append(Row(type_, name, situation, verdict, reason, settings, **further))
    return made


def load():
    """Every row of scenarios/, in the order of ORDER; the types that it does not name come last."""

    def place(stem):
        type_ = stem.partition("_")[0]
        return ORDER.index(type_) if type_ in ORDER else len(ORDER), stem

    folder = Path(__file__).parent / "scenarios"
    stems = {path.stem for path in folder.glob("*.py")} - {"__init__", "common"}
    found = []
    for stem in sorted(stems, key=place):
        found += importlib.import_module(f"scenarios.{stem}").ROWS
    ids = [row.id for row in found]
    twice = {i for i in ids if ids.count(i) > 1}
    assert not twice, f"rows of the same name: {sorted(twice)}"
    return found


HEAD = ("scenario", "situation", "settings", "verdict", "reason", "check", "wait", "deadline")


def cells(row):
    def both(first, second):
        return f"{first}, then {second}" if row.then and first != second else str(first)

    verdicts = (row.verdict, row.last[0])
    exits = [both(*(EXIT[way][v] for v in verdicts)) for way in EXIT]
    if row.then and row.verdict == UNHEALTHY:
        exits[1] = "0"  # one `wait` that lives through the change
    if row.by:
        exits = ["", ""]
    return (
        row.id,
        row.how,
        row.settings,
        both(*verdicts),
        both(row.reason, row.last[1]),
        *exits,
        f"{row.timeout:g} s",
    )


def markdown(head, table):
    """A table of strings as Markdown, its columns aligned."""
    table = [[str(cell).replace("|", "\\|") for cell in line] for line in (head, *table)]
    widths = [max(len(line[i]) for line in table) for i in range(len(head))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |" for line in table
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)
