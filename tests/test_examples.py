"""The worked examples of the documentation hold."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

import weightstream

PATH = Path(__file__).parents[1] / "docs/worked_examples.py"
_spec = importlib.util.spec_from_file_location("worked_examples", PATH)
assert _spec is not None
assert _spec.loader is not None
worked_examples = importlib.util.module_from_spec(_spec)
sys.modules["worked_examples"] = worked_examples
_spec.loader.exec_module(worked_examples)


def judged(example) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "user_id": "a",
            "effectiveDateTime": example.times,
            "source_type": example.source,
            "weight": [str(kg) for _, kg in example.readings],
            "unit": "kg",
        }
    )
    return weightstream.clean(frame)


@pytest.mark.parametrize("example", worked_examples.EXAMPLES, ids=lambda example: example.title)
def test_a_worked_example_holds(example):
    found = judged(example)
    rejected = found[found["outcome"] == "rejected"]
    assert list(rejected.index) == sorted(example.rejected)
    for at, reason in example.rejected.items():
        assert reason in (None, found["reason"][at])
    for at, kg in example.suggested.items():
        assert found["suggested_kg"][at] == pytest.approx(kg, abs=0.1)
    for at in example.uncertain:
        assert 0.1 < found["p_valid"][at] < 0.9
