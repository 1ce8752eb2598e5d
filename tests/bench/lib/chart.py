"""Charts as SVG, legible on a light and on a dark ground, without any library."""

import math
from xml.sax.saxutils import escape

from . import figures

WIDTH, LEFT, RIGHT = 760, 190, 90
BAR, GAP, GROUP = 18, 6, 26
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.quiet { fill: #59636e; font-size: 12px; }
.group { font-weight: 600; }
.ours { fill: #0969da; }
.other { fill: #8c959f; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.line { stroke: #0969da; stroke-width: 2; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .quiet { fill: #9198a1; }
  .ours { fill: #4493f8; }
  .other { fill: #656c76; }
  .grid { stroke: #3d444d; }
  .line { stroke: #4493f8; }
}
</style>"""

FORMS = {"duration": figures.duration, "size": figures.size}


def svg(height, title, body):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
                      f' height="{height}" role="img" aria-label="{escape(title)}">', STYLE, *body, "</svg>", ""])


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def decades(low, high):
    """Powers of ten that hold both."""
    return 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))


def bars(chart):
    """Groups of horizontal bars on a logarithmic scale: the contestants differ by powers of ten."""
    form = FORMS[chart["form"]]
    low, high = decades(min(v for _, v in chart["bars"]) / 2, max(v for _, v in chart["bars"]))
    span = WIDTH - LEFT - RIGHT

    def x(value):
        return LEFT + span * math.log(value / low) / math.log(high / low)

    body, y, group = [], 66, None
    for label, value in chart["bars"]:
        of, _, who = label.rpartition(": ")
        if of != group:
            group = of
            y += GROUP if body else 0
            if of:
                body.append(text(16, y + 14, of, "group"))
        ours = who.startswith("probe")
        body.append(text(LEFT - 8, y + 14, who, "group" if ours else "", "end"))
        body.append(f'<rect x="{LEFT}" y="{y}" width="{x(value) - LEFT:.1f}" height="{BAR}" rx="2"'
                    f' class="{"ours" if ours else "other"}"/>')
        body.append(text(x(value) + 6, y + 14, form(value), "group" if ours else ""))
        y += BAR + GAP
    grid, tick = [], low
    while tick <= high * 1.001:
        grid.append(f'<line x1="{x(tick):.1f}" y1="58" x2="{x(tick):.1f}" y2="{y}" class="grid"/>')
        grid.append(text(x(tick), y + 16, form(tick), "quiet", "middle"))
        tick *= 10
    head = [text(16, 26, chart["title"], "title"),
            text(16, 46, "medians of one run, side by side; less is better; logarithmic scale", "quiet")]
    return svg(y + 28, chart["title"], head + grid + body)


def lines(chart):
    """One line over a logarithmic x, y from 0."""
    points, height, top, bottom = chart["points"], 320, 70, 50
    low, high = decades(points[0][0], points[-1][0])
    most = max(v for _, v in points) * 1.25
    span, depth = WIDTH - 80 - 40, height - top - bottom

    def at(n, v):
        return 80 + span * math.log(n / low) / math.log(high / low), top + depth * (1 - v / most)

    body = [text(16, 26, chart["title"], "title"), text(16, 46, "logarithmic scale of probes", "quiet")]
    tick = low
    while tick <= high * 1.001:
        x, _ = at(tick, 0)
        body += [f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + depth}" class="grid"/>',
                 text(x, height - 28, f"{tick:,.0f}", "quiet", "middle")]
        tick *= 10
    body += [f'<line x1="80" y1="{top + depth}" x2="{WIDTH - 40}" y2="{top + depth}" class="grid"/>',
             f'<polyline class="line" points="{" ".join("%.1f,%.1f" % at(*p) for p in points)}"/>']
    for n, v in points:
        x, y = at(n, v)
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="ours"/>',
                 text(x, y - 10, f"{v:.0f} {chart['unit']}", "group", "middle")]
    return svg(height, chart["title"], body)


KINDS = {"bars": bars, "lines": lines}


def draw(chart):
    return KINDS[chart["kind"]](chart)
