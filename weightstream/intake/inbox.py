"""The inbox: files dropped into a folder are claimed, read, and moved to done/ or failed/.

    <inbox>/...                  what was dropped, in folders of any depth
    <inbox>/.claimed/<claim>/... files that a run is reading, in the same folders
    <inbox>/done/...  failed/... files that were read, and those that could not be, with a report

A run claims a file by renaming it, so only one of two runs gets it. A claim belongs to the process
that holds the lock of its file `.owner`. When that process ends, in whatever way, the next run
takes over the claim. A file leaves its claim for done/ only after its rows are committed. If a run
fails, all its files go back to the inbox.

Anybody who may drop files may also replace a folder by a link at any moment. So no file is moved
or made by its path: each folder on the way is opened relative to the one before, and never through
a link.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from weightstream.errors import InputError

CLAIMED, DONE, FAILED = Path(".claimed"), Path("done"), Path("failed")
OWNER = ".owner"
REPORT = ".report.txt"
PARTIAL = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", "~")
"""Endings of files that a program is still writing."""
USER_FOLDER = "user="
MOST_ATTEMPTS = 3
NAME_BYTES = 255
"""The longest name of a file, on all file systems in use."""


@dataclass(frozen=True)
class Dropped:
    """An entry of the inbox. name: relative to it. seen: size and times, in ns, when looked at."""

    path: Path
    name: Path
    kind: int
    seen: tuple[int, int, int]

    @property
    def plain(self) -> bool:
        return stat.S_ISREG(self.kind)

    def rested(self, now_ns: int, seconds: float) -> bool:
        """Return whether it has not changed for so long. A time in the future is ignored."""
        _, modified, changed = self.seen
        newest = max(changed, modified if modified <= now_ns else 0)
        return now_ns - newest >= seconds * 1e9


@dataclass(frozen=True)
class Claimed:
    """A file that this run has claimed. user: the person that its folder names, or None."""

    path: Path
    name: Path
    seen: tuple[int, int, int]

    @property
    def user(self) -> str | None:
        named = [part for part in self.name.parent.parts if part.startswith(USER_FOLDER)]
        return named[-1].removeprefix(USER_FOLDER) or None if named else None


@dataclass
class Claims:
    """The files that a run has claimed. troubles: sentences, without names, on what failed."""

    inbox: Path
    files: list[Claimed] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def people(self) -> dict[Path, str]:
        return {file.path: file.user for file in self.files if file.user is not None}

    def finish(self, outcomes: Mapping[Path, str | None]) -> int:
        """Move each file to done/, or to failed/ if its outcome is a sentence.

        A file that has changed since it was claimed goes back to the inbox, because somebody is
        still writing it. Returns the number of such files.
        """
        back = 0
        while self.files:
            file = self.files[-1]
            sentence = outcomes[file.path]
            if _look(file.path)[1] != file.seen:
                _move(file.path, self.inbox, file.name)
                back += 1
            elif sentence is None:
                _move(file.path, self.inbox, DONE / file.name)
            else:
                fail(file.path, self.inbox, file.name, sentence)
            self.files.pop()
        return back

    def give_back(self) -> None:
        """Move every remaining file back to where it was dropped."""
        while self.files:
            file = self.files.pop()
            _move(file.path, self.inbox, file.name)


@contextmanager
def claiming(inbox: Path, run: str, rest_seconds: float) -> Iterator[Claims]:
    """Claim the unchanged files of the inbox, and the files of runs that were killed.

    It waits once for files that changed within rest_seconds; those that change again stay. Links,
    devices and the like go to failed/. Raises InputError if the inbox cannot be used.
    """
    make_folders(inbox)
    with _usable():
        dropped = at_rest(inbox, rest_seconds)
    claims = Claims(inbox)
    with _locked_folders(inbox, run, bool(dropped)) as folders:
        for folder in folders:
            _take_over(claims, folder)
        if dropped:
            _claim(claims, dropped, folders[-1])
        try:
            yield claims
        finally:
            claims.give_back()
            for folder in folders:
                _end(inbox, folder)


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"the inbox cannot be used ({os.strerror(error.errno or 0)})") from None


def make_folders(inbox: Path) -> None:
    """Make the inbox and its own folders, for their owner alone. Raises InputError."""
    with _usable():
        inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (CLAIMED, DONE, FAILED):
            with folder_within(inbox, name):
                pass


def at_rest(inbox: Path, rest_seconds: float) -> list[Dropped]:
    """Return files unchanged for rest_seconds; wait once for the others and look again."""
    first = list(_dropped(inbox))
    now = time.time_ns()
    rested = [one for one in first if not one.plain or one.rested(now, rest_seconds)]
    restless = {one.path: one.seen for one in first}
    for one in rested:
        del restless[one.path]
    if restless:
        time.sleep(rest_seconds)
        rested += [one for one in _dropped(inbox) if restless.get(one.path) == one.seen]
    return sorted(rested, key=lambda one: one.name)


def _dropped(inbox: Path, folder: Path | None = None) -> Iterator[Dropped]:
    """Everything that is not hidden, partial or ours; links are not followed."""
    folder = folder or inbox
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = Path(entry.path)
            ours = folder == inbox and Path(entry.name) in (DONE, FAILED)
            if ours or entry.name.startswith(".") or entry.name.lower().endswith(PARTIAL):
                continue
            if entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    yield from _dropped(inbox, path)
                continue
            with suppress(FileNotFoundError):  # another run was faster
                yield Dropped(path, path.relative_to(inbox), *_look(path))


def _look(path: Path) -> tuple[int, tuple[int, int, int]]:
    """Return mode, size and times of change. A rename changes the last, which is left out then."""
    found = path.lstat()
    return found.st_mode, (found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@contextmanager
def _locked_folders(inbox: Path, run: str, own: bool) -> Iterator[list[Path]]:
    """Lock claims whose owner has ended and, if `own` is set, a new one, which comes last."""
    folders, locks = [], []
    try:
        for folder in sorted((inbox / CLAIMED).iterdir()):
            lock = _lock(inbox, CLAIMED / folder.name)
            if lock is not None:
                folders.append(folder)
                locks.append(lock)
        number = 0
        while own:
            folder = inbox / CLAIMED / f"{run}-{number}"
            number += 1
            with suppress(FileExistsError), folder_within(inbox, CLAIMED) as place:
                os.mkdir(folder.name, 0o700, dir_fd=place)
                lock = _lock(inbox, CLAIMED / folder.name)
                if lock is not None:
                    folders.append(folder)
                    locks.append(lock)
                    break
        yield folders
    finally:
        for lock in locks:
            os.close(lock)


def _lock(inbox: Path, name: Path) -> int | None:
    """Return the lock of a claim, or None if another process has it or has just ended it."""
    try:
        flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW
        with folder_within(inbox, name, make=False) as place:
            lock = os.open(OWNER, flags, 0o600, dir_fd=place)
    except (FileNotFoundError, InputError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == (inbox / name / OWNER).lstat().st_ino:
            os.write(lock, b".")  # one for each attempt
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def _end(inbox: Path, folder: Path) -> None:
    """Remove a claim, which has only empty folders left; a file would stay."""
    with folder_within(inbox, CLAIMED) as claimed:
        os.unlink(f"{folder.name}/{OWNER}", dir_fd=claimed)
        with suppress(FileNotFoundError):  # another run that came upon it removes it too
            for path, _, _, _ in os.fwalk(folder.name, topdown=False, dir_fd=claimed):
                with suppress(OSError):
                    os.rmdir(path, dir_fd=claimed)


def _take_over(claims: Claims, folder: Path) -> None:
    """Take over the files of a killed run. A file at which several runs were killed goes to
    failed/."""
    attempts = (folder / OWNER).stat().st_size
    # Its owner may still be removing the folders in it, which stops os.walk nowhere.
    found = [Path(inside) / name for inside, _, names in os.walk(folder) for name in names]
    for path in sorted(found):
        mode, seen = _look(path)
        if not stat.S_ISREG(mode) or path == folder / OWNER:
            continue
        name = path.relative_to(folder)
        if attempts > MOST_ATTEMPTS:
            sentence = (
                f"{MOST_ATTEMPTS} runs were killed while reading it; see Prefect's log, and put it "
                "back into the inbox, alone, to try again"
            )
            fail(path, claims.inbox, name, sentence)
            claims.problems.append(
                f"{MOST_ATTEMPTS} runs were killed while reading a file; it is in the inbox's "
                "failed folder"
            )
        else:
            claims.files.append(Claimed(path, name, seen))


def _claim(claims: Claims, dropped: list[Dropped], folder: Path) -> None:
    """Rename files into the claim, except those that another run has taken."""
    stuck = links = 0
    for one in dropped:
        if not one.plain:
            sentence = "it is a link or a device, not a file; put the file itself into the inbox"
            links += fail(one.path, claims.inbox, one.name, sentence)
            continue
        try:
            path = _move(one.path, claims.inbox, folder.relative_to(claims.inbox) / one.name)
        except FileNotFoundError:
            continue
        except OSError:
            stuck += 1  # of another owner, in a folder that protects them
            continue
        mode, seen = _look(path)
        if path.lstat().st_nlink > 1:
            sentence = "it has a second name elsewhere (a hard link); put a copy into the inbox"
            links += fail(path, claims.inbox, one.name, sentence)
        elif not stat.S_ISREG(mode) or seen[:2] != one.seen[:2]:
            _move(path, claims.inbox, one.name)  # changed after all: it is looked at again
        else:
            claims.files.append(Claimed(path, one.name, seen))
    if links:
        claims.problems.append(f"{links} links or devices are in the inbox's failed folder")
    if stuck:
        claims.problems.append(
            f"{stuck} files cannot be moved; check the owner of them and of their folder"
        )


def fail(path: Path, inbox: Path, name: Path, sentence: str) -> bool:
    """Move a file to failed/, with the sentence in a file beside it; False if it is gone."""
    try:
        failed = _move(path, inbox, FAILED / name)
    except FileNotFoundError:
        return False
    with _moving(inbox), folder_within(inbox, FAILED / name.parent) as folder:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        report = os.open(_free(folder, failed.name, REPORT), flags, 0o600, dir_fd=folder)
        with open(report, "w", encoding="utf-8") as file:
            file.write(f"{sentence}\n")
    return True


def _move(path: Path, inbox: Path, name: Path) -> Path:
    """Rename to a name below the inbox, or to a free name beside it; returns the new path.

    Raises FileNotFoundError if the file is gone, or if a link is in its way now.
    """
    with ExitStack() as held:
        try:
            source = path.relative_to(inbox).parent
            before = held.enter_context(folder_within(inbox, source, make=False))
        except InputError:
            raise FileNotFoundError(path) from None
        folder = held.enter_context(folder_within(inbox, name.parent))
        held.enter_context(_moving(inbox))
        target = _free(folder, name.stem, name.suffix)
        os.rename(path.name, target, src_dir_fd=before, dst_dir_fd=folder)
    return inbox / name.parent / target


@contextmanager
def _moving(inbox: Path) -> Iterator[None]:
    """Allow one run at a time, since a rename would silently replace a file of the same name."""
    with folder_within(inbox, CLAIMED) as claimed:
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW
        lock = os.open(".moving", flags, 0o600, dir_fd=claimed)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _free(folder: int, stem: str, ending: str) -> str:
    """Return the name, or the next that is free in the folder: `name-2.csv`."""
    name, number = _short(stem, ending), 1
    with suppress(FileNotFoundError):
        while os.stat(name, dir_fd=folder, follow_symlinks=False):
            number += 1
            name = _short(stem, f"-{number}{ending}")
    return name


def _short(stem: str, ending: str) -> str:
    """Return stem and ending as a file name; the stem is cut if it would be too long."""
    room = NAME_BYTES - len(os.fsencode(ending))
    name = os.fsencode(stem)
    return (stem if len(name) <= room else name[:room].decode(errors="ignore")) + ending


@contextmanager
def folder_within(inbox: Path, name: Path, make: bool = True) -> Iterator[int]:
    """Open a folder below the inbox, and yield its descriptor. make: create it if it is missing.

    Raises InputError if a link or a file is in the way; FileNotFoundError if it is missing.
    """
    folder = os.open(inbox, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in name.parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=folder)
            try:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                inner = os.open(part, flags, dir_fd=folder)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                raise InputError(
                    f"the inbox's own folder {name.parts[0]!r} is not a folder; remove it"
                ) from None
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)
