"""Where batches lie while they travel to the workers of a cluster and back.

A folder that all of them reach: of a file system or of an object store, named by an fsspec URL.
What one process puts there, another sees whole or not at all.
"""

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from weightstream.errors import ConfigError, ExchangeError
from weightstream.intake.partition import alive

_OWNED = re.compile(r"(?P<host>.+)-(?P<process>\d+)-[0-9a-f]{8}")


class Exchange:
    """One run's folder of an exchange. address: its URL, which another process opens it by."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        with reached(address):
            self._files, self._folder = fsspec.core.url_to_fs(self.address)

    def put(self, name: str, content: bytes) -> None:
        """Raises ExchangeError, as all of these do."""
        unfinished = f"{self._folder}/.{name}.{secrets.token_hex(4)}"
        with reached(self.address):
            if isinstance(self._files, LocalFileSystem):
                Path(self._folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._files.pipe_file(unfinished, content)
            self._files.mv(unfinished, f"{self._folder}/{name}")

    def get(self, name: str) -> bytes:
        with reached(self.address):
            content: bytes = self._files.cat_file(f"{self._folder}/{name}")
        return content

    def drop(self, *names: str) -> None:
        with reached(self.address):
            for name in names:
                if self._files.exists(f"{self._folder}/{name}"):
                    self._files.rm_file(f"{self._folder}/{name}")

    def put_table(self, name: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="lz4")
        self.put(name, sink.getvalue().to_pybytes())

    def get_table(self, name: str) -> pa.Table:
        return pq.read_table(pa.BufferReader(self.get(name)))

    def clear(self) -> None:
        """Remove the folder with all that is in it."""
        with reached(self.address):
            if self._files.exists(self._folder):
                self._files.rm(self._folder, recursive=True)


@contextmanager
def reached(address: str) -> Iterator[None]:
    """Turn what a file system or an object store says into one sentence."""
    try:
        yield
    except (ImportError, ValueError) as error:  # fsspec: no such protocol, or its package is absent
        raise ConfigError(f"execution.exchange_url: {address} cannot be used ({error})") from None
    except Exception as error:  # object stores raise what they like
        reason = os.strerror(error.errno) if getattr(error, "errno", None) else ""  # type: ignore[attr-defined]
        raise ExchangeError(
            f"{address}: {reason or type(error).__name__}; the flow and every worker must be able "
            "to read and write execution.exchange_url"
        ) from None


def begin_exchange(url: str, data_dir: Path) -> Exchange:
    """A folder for a run, below the URL or, without one, in the data directory.

    Folders of this machine's processes that died are removed.
    """
    parent = Exchange(url or (data_dir.absolute() / "exchange").as_uri())
    for name in owned(parent):
        found = _OWNED.fullmatch(name)
        if found and found["host"] == host() and not alive(int(found["process"])):
            Exchange(f"{parent.address}/{name}").clear()
    return Exchange(f"{parent.address}/{host()}-{os.getpid()}-{secrets.token_hex(4)}")


def owned(parent: Exchange) -> list[str]:
    with reached(parent.address):
        if not parent._files.exists(parent._folder):
            return []
        return [path.rpartition("/")[2] for path in parent._files.ls(parent._folder, detail=False)]


def host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())
