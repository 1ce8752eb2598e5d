"""Each house rule, broken once in a small tree of its own: the lint finds it, and names it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

LINT = Path(__file__).parent
ROOT = LINT.parents[1]


@pytest.fixture
def tree(tmp_path):
    """A tree that offends nothing."""
    shutil.copytree(LINT, tmp_path / "tests/lint", ignore=shutil.ignore_patterns("__pycache__", "test_*", "*.allowed"))
    for name in (".clang-format", ".clang-tidy"):
        shutil.copy(ROOT / name, tmp_path)
    write(tmp_path, "CMakeLists.txt", "set(PROBE_TYPES tcp http)\n")
    write(tmp_path, "src/base/str.h", "int str_len(const char *s);\n")
    write(tmp_path, "src/engine/run.h", "int run_start(void);\n")
    write(tmp_path, "src/engine/run.c", '#include "engine/run.h"\n\n#include "base/str.h"\n')
    write(tmp_path, "probes/probe.h", "struct probe;\n")
    write(tmp_path, "probes/tcp/tcp.c", '#include "base/str.h"\n#include "probe.h"\n')
    write(tmp_path, "probes/http/http.h", "struct http;\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def write(tree, path, text):
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(text)


def lint(tree, name):
    done = subprocess.run([tree / "tests/lint/lint", name], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


OFFENCES = {
    "climbs": ("includes", "src/base/str.c", '#include "engine/run.h"\n', "base may not include engine"),
    "up and over": ("includes", "src/base/str.c", '#include "../engine/run.h"\n', "base may not include .."),
    "another type": ("includes", "probes/tcp/tcp.c", '#include "http/http.h"\n', "tcp may not include http"),
    "unknown room": ("includes", "src/attic/old.c", "int old;\n", "src/attic: no room"),
    "unknown type": ("includes", "probes/ftp/ftp.c", "int ftp;\n", "probes/ftp: no room"),
    "a type's name": ("includes", "src/engine/run.c", "extern int probe_type_tcp;\n", "src names no type"),
    "a loop below": ("includes", "src/base/str.c", "#include <uv.h>\n", "no event loop in base"),
    "a library": ("includes", "src/engine/run.c", "#include <curl/curl.h>\n", "may include it"),
    "a long file": ("text", "src/base/str.c", "int a;\n" * 501, "str.c: 501: over 500 lines"),
    "a long function": ("text", "src/base/str.c", "int f(int a,\n      int b)\n{\n" + "    a++;\n" * 57 + "}\n",
                        "str.c:1: a function of 61 lines"),
    "undone": ("text", "src/base/str.c", "/* TO" "DO */\n", "left undone"),
    "white space": ("text", "src/base/str.c", "int a; \n", "white space"),
    "format": ("format", "src/base/str.c", "int  a;\n", "clang-format"),
    "shell": ("shell", "tests/x", "#!/bin/sh\nrm $1\n", "SC2086"),
    "workflows": ("workflows", ".github/workflows/x.yml", "on: push\njobs:\n  a:\n    runs-on: nowhere\n    steps: []\n",
                  "nowhere"),
    "manual": ("manual", "src/manual/x.1", ".TH x\n.XX\n", "unknown macro"),
}


@pytest.mark.parametrize("name", OFFENCES)
def test_an_offence_is_found(tree, name):
    rule, path, text, word = OFFENCES[name]
    write(tree, path, text)
    code, said = lint(tree, rule)
    if said.startswith("SKIPPED"):
        pytest.skip(said)
    assert code != 0 and word in said, said


def test_a_path_of_this_machine_is_found(tree):
    write(tree, "src/base/str.c", f"/* {tree} */\n")
    code, said = lint(tree, "text")
    assert code != 0 and "of this machine" in said, said


@pytest.mark.parametrize("name", ["includes", "text", "format"])
def test_the_tree_offends_nothing(tree, name):
    assert lint(tree, name) == (0, "") or lint(tree, name)[1].startswith("SKIPPED")


def compiled(tree, *sources):
    """The objects, where CMake would lay them, and the record of how they are made."""
    commands = []
    for source in sources:
        obj = tree / f"build-plain/CMakeFiles/probe_core.dir/{source}.o"
        obj.parent.mkdir(parents=True, exist_ok=True)
        argv = ["cc", "-I", f"{tree}/src", "-I", f"{tree}/probes", "-c", source, "-o", str(obj)]
        subprocess.run(argv, cwd=tree, check=True)
        commands.append({"directory": str(tree), "arguments": argv, "file": source})
    write(tree, "build-plain/compile_commands.json", json.dumps(commands))


def test_files_that_call_each_other_are_found(tree):
    write(tree, "src/base/a.c", "int b(void);\nint a(void);\nint a(void) { return b(); }\n")
    write(tree, "src/base/b.c", "int b(void);\nint b(void) { return 1; }\n")
    compiled(tree, "src/base/a.c", "src/base/b.c")
    assert lint(tree, "circles") == (0, "")
    write(tree, "src/base/c.c", "int a(void);\nint c(void);\nint c(void) { return a(); }\n")
    write(tree, "src/base/b.c", "int c(void);\nint b(void);\nint b(void) { return c(); }\n")
    compiled(tree, "src/base/a.c", "src/base/b.c", "src/base/c.c")
    code, said = lint(tree, "circles")
    assert code != 0 and "a circle of files: src/base/a.c src/base/b.c src/base/c.c" in said, said


def test_files_that_include_each_other_are_found(tree):
    write(tree, "src/base/str.h", '#include "base/buf.h"\n')
    write(tree, "src/base/buf.h", '#include "base/str.h"\n')
    compiled(tree)
    code, said = lint(tree, "circles")
    assert code != 0 and "src/base/buf.h src/base/str.h" in said, said


def test_what_clang_tidy_finds_is_an_offence(tree):
    write(tree, "src/base/str.c", "int f(int a);\nint f(int a)\n{\n    return a == a;\n}\n")
    compiled(tree, "src/base/str.c")
    code, said = lint(tree, "tidy")
    if said.startswith("SKIPPED"):
        pytest.skip(said)
    assert code != 0, said
