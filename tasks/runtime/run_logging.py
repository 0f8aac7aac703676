"""Our own lines in the log of a served run."""

import logging


def log_to_run() -> None:
    """Let our lines of level INFO through to the handlers that Prefect has put on our logger.

    prefect.toml names the logger to Prefect (`extra_loggers`), which sets no level; so it would
    have the root's, which is WARNING. On a terminal the command has set it already.
    """
    logger = logging.getLogger("weightstream")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
