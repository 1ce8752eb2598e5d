"""Figures, and what a row of the report is made of. Knows nothing of how they are measured."""

import math


def percentile(values, p):
    """The p-th percentile by nearest rank, so it is always a value that was seen."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(p / 100 * len(ordered)) - 1)]


def spread(values):
    """Median, p10, p90, p99, max and number of a list of numbers."""
    values = list(values)
    return {"median": percentile(values, 50), "p10": percentile(values, 10), "p90": percentile(values, 90),
            "p99": percentile(values, 99), "max": max(values), "n": len(values)}


def duration(us):
    """Microseconds in a person's words."""
    if us is None:
        return ""
    sign, us = ("-" if us < 0 else ""), abs(us)
    if us < 1000:
        return f"{sign}{us:.0f} us" if us >= 10 else f"{sign}{us:.1f} us"
    if us < 1e6:
        return f"{sign}{us / 1e3:.3g} ms"
    return f"{sign}{us / 1e6:.3g} s"


def between(spread_us):
    """10th to 90th percentile."""
    return f"{duration(spread_us['p10'])} to {duration(spread_us['p90'])}"


def size(kib):
    """KiB in a person's words."""
    if kib is None:
        return ""
    return f"{kib:.0f} KiB" if kib < 1024 else f"{kib / 1024:.3g} MiB"


def count(n):
    if n is None:
        return ""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= limit:
            return f"{n / limit:.3g} {unit}"
    return f"{n:.0f}"


def ratio(x):
    return f"{x:.2f} x" if x < 10 else f"{x:.0f} x"


def plain(x):
    return f"{x:.3g}"


class Row:
    """One section of the report: tables, targets with what was measured, notes, data of charts."""

    def __init__(self, name, title):
        self.name, self.title = name, title
        self.tables, self.targets, self.notes, self.charts, self.raw = [], [], [], [], {}
        self.failure, self.seconds = None, 0.0

    def table(self, caption, columns, lines):
        self.tables.append({"caption": caption, "columns": columns, "lines": lines})

    def target(self, what, value, limit, form=plain, at_least=False):
        """`value` None: it could not be measured. Met when value <= limit."""
        met = None if value is None else (value >= limit if at_least else value <= limit)
        self.targets.append({"what": what, "value": value, "limit": limit, "met": met,
                             "measured": "not measured" if value is None else form(value),
                             "target": ("at least " if at_least else "at most ") + form(limit)})

    def note(self, text):
        self.notes.append(text)

    def chart(self, kind, name, title, **data):
        self.charts.append({"kind": kind, "name": name, "title": title, **data})

    def data(self, name, value):
        """Goes into the JSON report only."""
        self.raw[name] = value
