"""All errors, as one tree. The command line maps them to exit statuses; nothing else exits.

WeightstreamError
├── ConfigError          the configuration or a parameter is wrong         exit 2
├── InputError           a source cannot be used; others continue          exit 1; 2 if none is left
├── BatchError           one batch of users failed; others continue        exit 1
├── PrefectError         Prefect cannot run the flow                       exit 2
└── StoreError           the store cannot be used                          exit 2
    ├── StoreLocked      another process held the write lock for too long
    │   └── RunsUnderWay     an erasure waited for other runs in vain          exit 1
    ├── StoreTooNew      written by a newer weightstream
    ├── StoreFull        no space left on the device
    └── StaleRevision    a person's series changed since it was read; judge again
"""

import os
from pathlib import Path


class WeightstreamError(Exception):
    """The message is one sentence: what is wrong, where, and what to do.

    It may quote names of files and persons, so it is made safe for a terminal.
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
        super().__init__(f"{len(user_ids)} persons changed since they were read; judge them again")
        self.user_ids = user_ids


def shown(name: str | Path) -> str:
    """Return a file name or argument as text that a sentence can contain, whatever its bytes."""
    return os.fsencode(str(name)).decode(errors="replace")


def plain(text: str) -> str:
    """Return a text without control sequences of a terminal, since names may contain anything."""
    return "".join(c if c.isprintable() else "?" for c in text)
