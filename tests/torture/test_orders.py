"""Any order of rows, files and runs, with overrides and learning in between: the same export."""

import random
import time

import pytest

PERMUTATIONS = 1500


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_permutations(
    store_files, csv_of, course, smooth, decide, id_of, fresh_dir, exported, until, figure
):
    times = [("a", "2024-01-09T09:00:00+02:00", "176.40"), ("b", "2024-03-01", "90")]
    rows = [*course, *times, ("a", "2024-01-09T07:00:00Z", "80.20"), ("c", "2024-01-01", "70")]
    wishes = [("80.20", "reject", None), ("60.0", "assign", "a"), ("90", "accept", None)]
    chance, done, expected = random.Random(1500), 0, None
    while done < PERMUTATIONS and time.monotonic() < until:
        data_dir = fresh_dir()
        chance.shuffle(rows)
        cuts = sorted(chance.sample(range(1, len(rows)), chance.randrange(4)))
        parts = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
        for part in parts:
            store_files(data_dir, csv_of(*part))
            if chance.random() < 0.3:
                smooth(data_dir)
        for weight, action, to in chance.sample(wishes, len(wishes)):
            decide(data_dir, id_of(data_dir, weight, "a" if weight == "80.20" else "b"), action, to)
        smooth(data_dir)
        made = exported(data_dir)
        expected = expected or made
        assert made == expected, f"permutation {done}"
        done += 1
    assert done > 1  # the first is what the others are compared with
    figure(f"permutations: {done}, 0 differences")
