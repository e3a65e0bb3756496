"""What stands for `ablate`, `snakemake` and `dvc` on a test's PATH: it lets a server fork them.

It stays what its caller started: it hands over its words, folder, environment and streams, passes signals on, and
ends as the process does that the server made. `fork_server.py` writes copies of it, whose first line leaves out
`site`.
"""

import json
import os
import signal
import socket
import sys

BIN = os.path.dirname(os.path.abspath(sys.argv[0]))
NAME = os.path.basename(sys.argv[0])
# Read by libraries or by Python when they start, which a fork does no more: with others the program itself is run.
# Snakemake sets numbers of threads for each job. Those of a fork are as many as its command says, or one.
EARLY = ("PYTHON", "LC_", "LANG", "OMP_", "KMP_", "MPL", "TORCH", "CUDA_", "LD_")
LATER = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "OMP_NUM_THREADS"}
# What imports set, sklearn and torch's compiler, in whichever worker comes to them.
LATER |= {"KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "TORCHINDUCTOR_CACHE_DIR"}
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def early(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(EARLY) and name not in LATER}


def main() -> None:
    with open(f"{BIN}/../server.json") as file:
        server = json.load(file)
    environ = dict(os.environ)
    if early(environ) != server["early"]:
        os.execv(f"{server['real']}/{NAME}", [f"{BIN}/{NAME}", *sys.argv[1:]])
    os.umask(umask := os.umask(0))
    request = {
        "argv": [f"{BIN}/{NAME}", *sys.argv[1:]], "program": f"{server['real']}/{NAME}",
        "folder": os.getcwd(), "environ": environ, "umask": umask,
        "ignored": [number for number in PASSED_ON if signal.getsignal(number) is signal.SIG_IGN],
    }  # fmt: skip
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(server["places"][os.getpid() % len(server["places"])])
        content = json.dumps(request).encode()
        socket.send_fds(there, [len(content).to_bytes(8, "big")], [0, 1, 2])
        there.sendall(content)
        pid = int.from_bytes(received(there, 4), "big")
        for number in PASSED_ON:
            if number not in request["ignored"]:
                signal.signal(number, lambda number, frame: os.kill(pid, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        code = os.waitstatus_to_exitcode(int.from_bytes(received(there, 4), "big"))
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def received(there: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        part = there.recv(length - len(found))
        if not part:
            sys.exit("the test's fork server has gone")
        found += part
    return found


if __name__ == "__main__":
    main()
