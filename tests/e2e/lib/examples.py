"""The examples of the documents: fenced blocks of Markdown and displays of the manual, each with what
kind it is. Nothing is left out in silence: a block of which that cannot be told is of kind None.

A block's kind is the language behind its fence. A comment right above it says more, or something else:
`<!-- example: KIND WORDS -->`, in the manual `.\\" example: KIND WORDS`. A block that no test can run
says why: `<!-- example: not run: WHY -->`. `<!-- runs: NAME -->` is what tests/containers runs."""

import re
from dataclasses import dataclass

from .program import ROOT

MANUAL = ["src/manual/probe.1", "src/manual/probe.ini.5", "src/manual/probe-api.7"]
MARKDOWN = ["README.md", ".github/CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "packaging").glob("*.md")))]

FENCE = re.compile(r"(?:<!-- (?P<mark>example|runs): (?P<words>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
                   re.M | re.S)
DISPLAY = re.compile(r"(?:^\.\\\" example: (?P<words>[^\n]*)\n)?^\.Bd[^\n]*\n(?P<text>.*?)^\.Ed$", re.M | re.S)


@dataclass
class Example:
    document: str
    line: int
    kind: str  # None: unknown
    words: str  # what more the comment says
    text: str
    before: list  # the examples above it in the document

    @property
    def id(self):
        return f"{self.document}:{self.line}"


def _kind(language, mark, words):
    if mark == "runs":
        return "container", words
    if mark and words.startswith("not run:"):
        return "not run", words.removeprefix("not run:").strip()
    if mark:
        kind, _, more = words.partition(" ")
        return kind, more
    return language or None, ""


def _markdown(document, text):
    for m in FENCE.finditer(text):
        kind, words = _kind(m["language"], m["mark"], m["words"] or "")
        yield text.count("\n", 0, m.start("text")), kind, words, m["text"]


def _plain(line):
    """Without the escapes of roff."""
    return line.replace("\\&", "").replace("\\-", "-").replace("\\e", "\\")


def _manual(document, text):
    for m in DISPLAY.finditer(text):
        kind, words = _kind("", "example" if m["words"] else None, m["words"] or "")
        yield text.count("\n", 0, m.start("text")), kind, words, _plain(m["text"])


def examples_of(document):
    text = (ROOT / document).read_text()
    found = []
    for line, kind, words, block in (_markdown if document.endswith(".md") else _manual)(document, text):
        found.append(Example(document, line, kind, words, block, list(found)))
    opened = len(re.findall(r"^```", text, re.M)) / 2 if document.endswith(".md") else len(re.findall(r"^\.Bd", text, re.M))
    assert len(found) == opened, f"{document}: {opened} blocks begin, {len(found)} were understood"
    return found


def all_examples():
    return [e for document in MARKDOWN + MANUAL for e in examples_of(document)]
