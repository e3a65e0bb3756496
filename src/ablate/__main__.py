"""The program `ablate`, also as `python -m ablate`: Ctrl-C leaves no traceback from its first line on."""

import os
import signal


def main() -> None:
    """Run `ablate.cli.main.main`; while its modules are imported, Ctrl-C ends the process at once.

    In a job of a workflow it is the workflow's fork server that runs it, where there is one.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "ABLATE_SERVER" in os.environ:
        from ablate.runtime.fork_client import run_elsewhere

        code = run_elsewhere()
        if code is not None:
            os._exit(code)  # nothing was begun here
    from ablate.cli.main import main as run

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
