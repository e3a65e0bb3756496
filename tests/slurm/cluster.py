"""A Slurm cluster of pretended nodes on this machine, for the tests and to try the profile by hand. As root:

    python tests/slurm/cluster.py start FOLDER      keys, state, logs and process ids go there
    python tests/slurm/cluster.py stop FOLDER

Its configuration has to lie in /etc/slurm: the executor plugin takes SLURM_CONF from the environment of its jobs.
A Slurm that is there already is left alone.
"""

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
ETC = Path("/etc/slurm")
FILES = ["slurm.conf", "gres.conf"]
OTHERS = ["cgroup.conf", "slurmdbd.conf", "topology.conf"]  # would be read as well, and are not the tests'
PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue"]
NODES = ["g1", "n1", "n2", "n3", "n4", "n5", "n6"]
STATE = "ablate-slurm"  # below the folder; by this name a link in /etc/slurm is known as ours


def why_not() -> str | None:
    """Why no cluster can be started here, or None."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"Slurm is not installed: no {', '.join(missing)} (Debian: apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "the cluster's daemons have to be started by root"
    if foreign := [str(ETC / name) for name in FILES + OTHERS if _foreign(ETC / name)]:
        return f"a Slurm that is not the tests' is configured here: {', '.join(foreign)}"
    if running := [p for p in psutil.process_iter(["name"]) if p.info["name"] in ("slurmctld", "slurmd")]:
        return f"Slurm runs here already (process {running[0].pid}), and one cluster fits on a machine"
    return None


def _foreign(path: Path) -> bool:
    """Links that an earlier start left behind are ours, though they may be broken by now."""
    ours = path.is_symlink() and path.readlink().parent.name == STATE
    return not ours and (path.exists() or path.is_symlink())


def start(folder: Path) -> Path:
    """Start all daemons and wait until every node is idle; returns the folder of their state.

    Raises SystemExit with the reason where that fails.
    """
    if reason := why_not():
        raise SystemExit(reason)
    base = folder.resolve() / STATE
    shutil.rmtree(base, ignore_errors=True)
    for name in ("run", "log", "state", *(f"spool/{node}" for node in NODES)):
        (base / name).mkdir(parents=True)
    ETC.mkdir(exist_ok=True)
    for name in FILES:
        (base / name).write_text((HERE / name).read_text().replace("@FOLDER@", str(base)))
        (ETC / name).unlink(missing_ok=True)
        (ETC / name).symlink_to(base / name)
    for number in range(2):
        os.mknod(base / f"run/nvidia{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    key = base / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    call(  # --force: folders of temporary files are open to others, which munged would rather not have
        "munged", "--force", f"--key-file={key}", f"--socket={base}/run/munge.socket", "--num-threads=2",
        f"--pid-file={base}/run/munged.pid", f"--log-file={base}/log/munged.log",
        f"--seed-file={base}/run/munged.seed",
    )  # fmt: skip
    call("slurmctld")
    for node in NODES:
        start_node(node)
    deadline = time.monotonic() + 60
    while set(call("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split()) != set(NODES):
        if time.monotonic() > deadline:
            raise SystemExit(f"the nodes do not come up; see {base}/log")
        time.sleep(0.2)
    return base


def start_node(node: str) -> None:
    """Start a node's daemon, the first time or after it was killed."""
    call("slurmd", "-N", node)


def stop(folder: Path) -> None:
    """End all jobs and what `start` started, by the recorded process ids, and take the links away."""
    base = folder.resolve() / STATE
    if not (base / "slurm.conf").exists():
        raise SystemExit(f"no cluster was started in {folder}")
    if all((ETC / name).is_symlink() and (ETC / name).readlink() == base / name for name in FILES):
        call("scancel", "--user=root")
        deadline = time.monotonic() + 30
        while call("squeue", "-h").strip() and time.monotonic() < deadline:
            time.sleep(0.5)
        for name in FILES:
            (ETC / name).unlink()
    recorded = [base / "run/slurmctld.pid", *sorted(base.glob("run/slurmd-*.pid")), base / "run/munged.pid"]
    for path in recorded:
        if path.exists() and psutil.pid_exists(pid := int(path.read_text())):
            process = psutil.Process(pid)
            if process.name() not in ("slurmctld", "slurmd", "munged"):
                continue  # killed before, and its number is another's by now
            process.terminate()
            try:
                process.wait(30)
            except psutil.TimeoutExpired:
                process.kill()


def call(*words: str) -> str:
    """What a command prints. Raises SystemExit with what it says where it fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env, cwd="/")
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    actions = {"start": start, "stop": stop}
    if len(sys.argv) != 3 or sys.argv[1] not in actions:
        raise SystemExit(__doc__)
    actions[sys.argv[1]](Path(sys.argv[2]))
