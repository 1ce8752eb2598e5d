"""The two reports: Markdown for people, JSON for programs."""

import json
import os
import platform
import subprocess
import time

from . import chart


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "?")
    return {"cores": os.cpu_count(), "cpu": model, "kernel": platform.release(), "load": os.getloadavg()}


def first_line(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "?"


def collect(rows, args, seconds):
    return {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seconds": round(seconds, 1),
            "quick": args.quick, "machine": machine(), "version": first_line([args.probe, "version"]),
            "binary_bytes": os.path.getsize(args.probe),
            "rows": [vars(r) for r in rows]}


def markdown_table(columns, lines):
    out = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    out += ["| " + " | ".join(str(c) for c in line) + " |" for line in lines]
    return out


def verdict(met):
    return "not measured" if met is None else "met" if met else "**missed**"


def markdown(data):
    m = data["machine"]
    out = ["# What a check costs", "",
           f"{data['version']}, static, {data['binary_bytes']:,} bytes; {data['when']}; {m['cores']} cores, {m['cpu']},"
           f" Linux {m['kernel']}, load at the end {m['load'][0]:.1f}; {data['seconds']:.0f} s"
           + (", a quick run: its figures mean nothing" if data["quick"] else "") + ".",
           "Absolute times mean little on a shared machine: read the ratios.", "", "## Targets", ""]
    lines = [[r["name"], t["what"], t["target"], t["measured"], verdict(t["met"])]
             for r in data["rows"] for t in r["targets"]]
    out += markdown_table(["row", "what", "target", "measured", ""], lines)
    known = [t["met"] for r in data["rows"] for t in r["targets"]]
    out += ["", f"{known.count(True)} met, {known.count(False)} missed, {known.count(None)} not measured."]
    for r in data["rows"]:
        out += ["", f"## {r['title']}", ""]
        if r["failure"]:
            out += [f"Could not be measured: {r['failure']}", ""]
        for t in r["tables"]:
            out += [t["caption"], "", *markdown_table(t["columns"], t["lines"]), ""]
        out += [f"- {n}" for n in r["notes"]]
        out += [f"- `{r['name']}` took {r['seconds']:.0f} s."]
    return "\n".join(out) + "\n"


def write(rows, args, seconds):
    data = collect(rows, args, seconds)
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "report.json"), "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
        f.write("\n")
    text = markdown(data)
    with open(os.path.join(args.out, "report.md"), "w", encoding="utf-8") as f:
        f.write(text)
    return data, text


def charts(rows, folder):
    """Draws what the rows have to show."""
    os.makedirs(folder, exist_ok=True)
    for r in rows:
        for c in r.charts:
            with open(os.path.join(folder, c["name"] + ".svg"), "w", encoding="utf-8") as f:
                f.write(chart.draw(c))
