import pytest


@pytest.fixture
def store(store_files, csv_of, fresh_dir, course, smooth):
    """A store of `course`, of which retro has seen everything."""
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*course))
    smooth(data_dir)
    return data_dir
