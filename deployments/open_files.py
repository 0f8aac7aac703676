"""How many files a process may have open at once."""

import resource

from weightstream.errors import PrefectError

LEAST_FILES, USUAL_FILES = 64, 1024
"""A small run has some 35 files open and Prefect's server 45, which has the same limit."""


def check_files() -> None:
    """Allow the process as many open files as the system does, up to USUAL_FILES.

    Raises PrefectError if they are too few: Prefect would try again without end.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = USUAL_FILES if most == resource.RLIM_INFINITY else min(most, USUAL_FILES)
    if 0 <= allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    if wanted < LEAST_FILES:
        raise PrefectError(
            f"only {wanted} files can be open at once, and a run needs {LEAST_FILES}; raise the "
            "limit of open files (ulimit -n)"
        )
