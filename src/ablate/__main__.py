"""The program `ablate`, also as `python -m ablate`: Ctrl-C leaves no traceback from its first line on."""

import signal


def main() -> None:
    """Run `ablate.cli.main.main`; while its modules are imported, Ctrl-C ends the process at once."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ablate.cli.main import main as run

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
