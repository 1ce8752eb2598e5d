"""Every row of the matrix, each way."""

import pytest

from table import load
from ways import WAYS


def items():
    for row in load():
        for way in ("own",) if row.by else row.ways:
            yield pytest.param(row, way, id=f"{row.id} [{way}]")


@pytest.mark.parametrize("row, way", items())
def test_truth(row, way, stage):
    if row.by:
        row.by(row, stage)
    else:
        WAYS[way](row, stage)
