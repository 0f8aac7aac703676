"""Asking for a cluster: what is wrong is said in one sentence before anything is done."""

import sys

from weightstream.errors import ConfigError, ExchangeError


def test_without_the_extra(ingested, csv_of, data_dir, monkeypatch):
    for name in ("tasks.cluster", "prefect_dask"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    source = csv_of(("a", "2024-01-01", "80"))
    ran = ingested(source, data_dir, {"execution.runner": "dask"})
    assert ran.state.is_failed()
    assert isinstance(ran.result, ConfigError)
    assert 'pip install "weightstream[dask]"' in str(ran.result)
    assert ingested(source, data_dir).state.is_completed()  # threads need none of it


def test_nobody_at_the_address(ingested, csv_of, data_dir, monkeypatch):
    from tasks import cluster

    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    address = "tcp://127.0.0.1:9"
    settings = {"execution.runner": "dask", "execution.dask_address": address}
    ran = ingested(csv_of(("a", "2024-01-01", "80")), data_dir, settings)
    assert isinstance(ran.result, ConfigError)
    assert f"execution.dask_address: {address} does not answer" in str(ran.result)


def test_an_exchange_out_of_reach(ingested, csv_of, data_dir, tmp_path):
    (tmp_path / "file").touch()
    url = (tmp_path / "file").as_uri() + "/x"
    settings = {"execution.runner": "dask", "execution.exchange_url": url}
    ran = ingested(csv_of(("a", "2024-01-01", "80")), data_dir, settings)
    assert isinstance(ran.result, ExchangeError)
    assert "Not a directory" in str(ran.result)


def test_one_after_another_needs_no_cluster(ingested, csv_of, data_dir):
    settings = {
        "execution.runner": "dask",
        "execution.dask_address": "tcp://127.0.0.1:9",
        "threading.enabled": False,
    }
    assert ingested(csv_of(("a", "2024-01-01", "80")), data_dir, settings).state.is_completed()
