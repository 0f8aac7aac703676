"""What can go wrong, as one tree. The command line maps it to exit statuses; nothing else exits.

WeightstreamError
├── ConfigError          the configuration or a parameter is wrong         exit 2
├── InputError           a source cannot be used; other sources go on      exit 1; 2 if none is left
├── BatchError           one batch of users failed; other batches go on    exit 1
├── PrefectError         Prefect cannot run the flow                       exit 2
└── StoreError           the store cannot be used                          exit 2
    ├── StoreLocked      another process held the write lock for too long
    │   └── RunsUnderWay     an erasure waited for them in vain                exit 1
    ├── StoreTooNew      written by a newer weightstream
    ├── StoreFull        no space left on the device
    └── StaleRevision    a person's series changed since it was read; decide again
"""

import os
from pathlib import Path


class WeightstreamError(Exception):
    """The message is one sentence for a person: what, where, and what to do.

    It may quote what files and persons are called, so it is kept fit for a terminal.
    """

    exit_status = 2

    def __init__(self, message: str = "") -> None:
        super().__init__("\n".join(plain(line) for line in message.split("\n")))


class ConfigError(WeightstreamError):
    pass


class InputError(WeightstreamError):
    pass


class BatchError(WeightstreamError):
    pass


class PrefectError(WeightstreamError):
    pass


class StoreError(WeightstreamError):
    pass


class StoreLocked(StoreError):
    pass


class RunsUnderWay(StoreLocked):
    exit_status = 1


class StoreTooNew(StoreError):
    pass


class StoreFull(StoreError):
    pass


class StaleRevision(StoreError):
    def __init__(self, user_ids: list[str]) -> None:
        super().__init__(f"{len(user_ids)} persons changed since they were read; decide them again")
        self.user_ids = user_ids


def shown(name: str | Path) -> str:
    """A file name or argument as a sentence can hold it, whatever its bytes are."""
    return os.fsencode(str(name)).decode(errors="replace")


def plain(text: str) -> str:
    """Without what would move a terminal's cursor: persons and sources may be called anything."""
    return "".join(c if c.isprintable() else "?" for c in text)
