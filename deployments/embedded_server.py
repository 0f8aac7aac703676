"""The process of Prefect's embedded server: the server of one command, and nothing else.

`embedded.py` starts it as `python -P -m deployments.embedded_server SOCKET PIPE`, two open files.
"""

import gc
import os
import signal
import socket
import sys
import threading
import time

OF_PREFECT = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
}
"""Of what Prefect tells the servers that it starts itself."""
NOT_NEEDED = {
    # For deployments, workers and automations, of which one run has none.
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    # Types of blocks, which a run does not store. A server that people look at registers them.
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    # Checks of argument types in a library of the server's: a tenth of its start.
    "PY_KEY_VALUE_DISABLE_BEARTYPE": "true",
}
"""What takes time at each start; what the environment says comes first."""
END_SECONDS = 5.0


def main() -> None:
    """Serve Prefect's API on the given socket until the other end of the pipe is closed."""
    listening, pipe = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    threading.Thread(target=_end_with_command, args=(pipe,), daemon=True).start()
    gc.disable()  # what is imported stays
    for key, value in NOT_NEEDED.items():
        os.environ.setdefault(key, value)
    os.environ.update(OF_PREFECT)
    from prefect.context import refresh_global_settings_context
    from prefect.settings import Settings, get_current_settings

    if get_current_settings().api.url:  # of a profile: the command uses it
        return
    from deployments.prefect_database import make_database

    if make_database():
        os.environ["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] = "false"
        refresh_global_settings_context()
    # Twice a tenth of a second, to find an app that this process has made before: it makes one.
    Settings.hash_key = lambda self: ""  # type: ignore[method-assign]
    import uvicorn
    from prefect.server.api.server import create_app

    config = uvicorn.Config(create_app(), log_level="error", lifespan="on")
    gc.freeze()
    gc.enable()
    uvicorn.Server(config).run(sockets=[listening])


def _end_with_command(pipe: int) -> None:
    """End this process as soon as the command is gone, even if that was killed."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
