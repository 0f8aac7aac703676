import numpy as np
import pytest

from weightstream.batch import UserBatch


def _batch(*persons, sources=("patient-device",), forced=None, born=None, sex=None):
    """Each person: a list of (day, kg), (day, kg, source) or (day, kg, source, hour).

    forced: by reading, what a person said of it; as many as there are, the others are free.
    born, sex: by person, as in UserBatch.
    """
    rows = [(*reading, *(0, 8.0)[len(reading) - 2 :]) for person in persons for reading in person]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return UserBatch(
        user_ids=tuple(f"p{u}" for u in range(len(persons))),
        indptr=np.cumsum([0, *map(len, persons)], dtype=np.int64),
        day=table[:, 0].copy(),
        hour=table[:, 3].copy(),
        weight_kg=table[:, 1].copy(),
        source=table[:, 2].astype(np.int64),
        sources=sources,
        forced=None
        if forced is None
        else np.resize([*forced, *[0] * len(table)], len(table)).astype(np.int8),
        born=np.array(born or [], np.float64),
        sex=np.array(sex or [], np.int8),
    )


@pytest.fixture(scope="session")
def make_batch():
    return _batch


@pytest.fixture(params=["compiled", "pykalman"])
def engine(request):
    return request.param
