"""One process trains a run: a lock that the operating system gives back when its holder dies.

By hand: filelock's FileLock opens its file for writing and makes it where it is not, but `RunLock.held` only looks,
in another user's folder too; and of the errors by which a file system says that it has no locks it knows one.
"""

import os
import sys
from datetime import UTC, datetime
from types import TracebackType

from ablate.errors import UserError
from ablate.files import lock
from ablate.runtime.checkpoint import CHECKPOINTS

_TAKEN: dict[str, datetime] = {}  # of each run that this process has taken: when, the last time


def taken_at(run_id: str) -> datetime | None:
    """When this process took the run, by the machine's clock; None where it has not."""
    return _TAKEN.get(run_id)


class RunLock:
    """The right to train a run, held by one process on a machine. Use as a context manager."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.path = CHECKPOINTS / f"{run_id}.lock"

    def __enter__(self) -> "RunLock":
        """Take the lock. On a file system without locks nobody can be kept out, which is said on stderr.

        Raises:
            UserError: If another process has it, and where its file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT)
            mine = lock(self._file, wait=False)  # gone with the process, however it ends
            if mine is False:
                owner = os.pread(self._file, 20, 0).decode(errors="replace") or "unknown"
                os.close(self._file)
                raise UserError(
                    f"{self.run_id}: process {owner} trains this run already; wait for it, or stop it and say this "
                    "again"
                )
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)
            _TAKEN[self.run_id] = datetime.now(UTC)
        except OSError as error:
            raise UserError(
                f"cannot write {self.path}: {error.strerror or error}; mend that, or the folder"
            ) from None
        if mine is None:
            print(
                f"{self.run_id}: the file system of {self.path.parent} has no locks, so that nothing keeps a second "
                "process from training this run as well; start none",
                file=sys.stderr,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back. The file stays: removing it could take it from a process that has just opened it."""
        os.close(self._file)

    @property
    def held(self) -> bool | None:
        """Whether some process has it; None: that cannot be known here."""
        try:
            file = os.open(self.path, os.O_RDONLY)  # in another user's folder, too
        except FileNotFoundError:
            return False
        except OSError:
            return None
        try:
            free = lock(file, wait=False)
        finally:
            os.close(file)
        return None if free is None else not free
