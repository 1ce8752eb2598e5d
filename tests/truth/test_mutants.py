"""Mutated replies. PROBE_MUTATIONS is how many of each kind (default 10,000; the costly ones get a
share of it); tests/truth/mutate is the long run."""

import os

import pytest

import mutants

COUNT = int(os.environ.get("PROBE_MUTATIONS", "10000"))


@pytest.mark.parametrize("kind", mutants.KINDS)
def test_mutants(kind, stage):
    count = max(100, int(COUNT * mutants.KINDS[kind].share))
    print(f"{kind}: {count} mutants, {mutants.run(stage, kind, count)}")


def test_http_and_https_say_the_same(stage):
    """Of the same bytes, in plain text and inside TLS: verdict, reason and words."""
    count, plain, tls = max(100, int(COUNT * mutants.Https.share)), {}, {}
    mutants.run(stage, "http", count, said=plain)
    mutants.run(stage, "https", count, said=tls)
    differ = [(n, plain[n], tls[n]) for n in plain if plain[n] != tls[n]]
    assert not differ, f"{len(differ)} of {count} differ, the first of them: {differ[:5]}"
