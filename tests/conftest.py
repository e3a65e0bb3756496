"""What tests share: packs of the embedded data, made by the pipeline's own steps, and a copy of the repository."""

import fcntl
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

# A core for each worker of xdist: where two torches have two threads each on two cores, these spin while they wait,
# and what takes a second takes ten. Programs that tests start may take more threads, which must not spin either. Both
# are read when numpy and torch are imported.
os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
os.environ["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "passive")
# Compiled code is kept, whatever else is usual here: each worker and each program would compile the project again.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""

import durations
import fork_server
from ablate.data.embedded import write_cifar10, write_tiny_imagenet
from ablate.data.fetch import fetch
from ablate.data.pack import make_pack
from ablate.data.verify import verify
from ablate.plan.params import Dataset, Params, load
from ablate.runtime.cores import available_cores
from ablate.runtime.fork_client import OFF, SERVER
from ablate.runtime.gpus import VISIBLE
from pretended import LISTING, Jobs, listing

ROOT = Path(__file__).parents[1]
FIVE = ("alexnet-vs-resnet", "five-cnns", "tinyimage10", "resnet18-init", "resnet-vs-plain")
SHIPPED = tuple(path.stem for path in sorted((ROOT / "papers").glob("*.yaml")))  # the papers that there are
SESSION = "ABLATE_TEST_SESSION"  # the folder of what all workers share
# Fixtures that take seconds once, of whichever test comes first: were that one slow alone, the next would pay.
COSTLY = {"committed"}
sys.dont_write_bytecode = False  # as above, where there are no workers
# Where tests run in the background of a script, a terminal's signals are ignored, and would be in what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
# What tests write need not outlive a power cut, and on a busy disk the sync of a network's weights takes minutes.
os.fsync = lambda file: None
if hasattr(os, "fdatasync"):
    os.fdatasync = os.fsync


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measure", action="store_true", help="write what tests take to durations.json; with -n 0")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # workers of xdist inherit it
        os.environ[SESSION] = tempfile.mkdtemp(prefix="ablate-test-")
        (Path(os.environ[SESSION]) / "pid").write_text(str(os.getpid()))
    if config.getoption("measure"):
        config.pluginmanager.register(durations.Measure())


@pytest.hookimpl(optionalhook=True, tryfirst=True)  # of xdist, which may be left out
def pytest_xdist_auto_num_workers() -> int | None:
    """Of `-n auto`: three for two cores, since a worker waits for half of its time for programs that it started."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else available_cores() * 3 // 2


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing is looked through for garbage while modules are imported, which would take a tenth of the time.

    Nor is what they hold, later.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    costly = not COSTLY.isdisjoint(getattr(item, "fixturenames", ()))
    if costly or (durations.SECONDS.get(item.nodeid, 0) > durations.SLOW_S and not item.get_closest_marker("quick")):
        item.add_marker("slow")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is about a paper that this copy of the project does not have (tests/other_papers.py makes some)."""
    for mark in item.iter_markers("papers"):
        if gone := [id for id in mark.args or FIVE if id not in SHIPPED]:
            pytest.skip(f"is about {', '.join(gone)}, which is not in papers/ here")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[SESSION])


@pytest.hookimpl(trylast=True)  # when it is known which are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker begin with its part of the longest: xdist deals out blocks, and what is left goes round."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        (Path(os.environ[SESSION]) / "many").touch()
    seconds = {item: durations.SECONDS.get(item.nodeid, durations.UNKNOWN_S) for item in slow}
    longest = sorted((item for item in slow if seconds[item] > durations.LONG_S), key=lambda item: -seconds[item])
    others = iter([item for item in items if item not in longest])
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    sorted_items: list[pytest.Item] = []
    for number in range(workers):
        size = (len(items) - len(sorted_items)) // (workers - number)
        block = longest[number::workers][:size]
        sorted_items += [*block, *islice(others, size - len(block))]
    items[:] = sorted_items


def programs() -> Path:
    """Where `ablate`, `snakemake` and `dvc` start without their imports, where so many of them start that it pays."""
    session = Path(os.environ[SESSION])
    if sys.platform != "linux" or not (session / "many").exists():  # elsewhere libraries may not survive a fork
        return Path(sys.executable).parent
    with (session / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (session / "environment/server.json").exists():
            fork_server.start(session)
    return session / "environment/bin"


Ablate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ablate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ablate:
    """The command, run in this process in ``tmp_path``: (exit code, stdout, stderr)."""
    from ablate.cli import main as cli  # few tests ask for it

    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ablate", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture(scope="session")
def params() -> Params:
    return load(ROOT / "params.yaml", {"scale": "demo"})


@pytest.fixture(scope="session")
def packs(params: Params, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """{data set: pack.json} of the demo's data."""
    return made_packs(params, tmp_path_factory.mktemp("packs"))


def made_packs(params: Params, where: Path) -> dict[str, Path]:
    """The demo's packs, by way of fetch, verify and pack."""
    made = {}
    for name, spec in params.datasets.items():
        folder = where / name
        write = write_cifar10 if spec.layout == "cifar10" else write_tiny_imagenet
        write(folder / "mirror" / spec.archive, **spec.generator)
        fetch(
            spec.archive, folder / "archive", path=None, mirror=str(folder / "mirror"), urls=[], digests=spec.digests,
            receipt=folder / "archive.json",
        )  # fmt: skip
        made[name] = gate(folder / "archive", spec, folder)
    return made


def gate(archive: Path, spec: Dataset, folder: Path) -> Path:
    """verify and pack into ``folder``, which has the archive's receipt; returns pack.json."""
    images, index, report = folder / "images.npy", folder / "index.csv", folder / "verify.json"
    verify(archive, spec, index=index, images=images, pairs=folder / "duplicates.csv", report=report)
    make_pack(images, index=index, report=report, receipt=folder / "archive.json", pack=folder / "pack.json")
    return folder / "pack.json"


# One study of two tiny runs: what the tests of the workflow itself train.
TINY = """
scale: tiny
mirror: null
recipe: 1
other_code: train
seeds: [0]
adaptive: {looks: [2, 3]}
compute: {threads: null, device: cpu}
datasets:
  cifar10:
    layout: cifar10
    variant: embedded
    archive: cifar-10-python.tar.gz
    digests: {embedded: {sha256: dc016e8aaff2d8742a865a9426cf6cd027f07948d132c2d6640bb12500926bf0}}
    generator: {seed: 0, train_per_batch: 100, test: 200}
    image_size: 32
    n_classes: 10
    train_per_class: 50
    val_per_class: 20
defaults: {dataset: cifar10, model: cifar-plain7, optimizer: sgd, lr: 0.01, epochs: 1, batch_size: 50, per_class: 5}
studies:
  resnet-vs-plain:
    shallow:
      axes: {model: [cifar-resnet7, cifar-plain7]}
  tinyimage10:
    optimiser:
      settings: {lr: 0.02}
scales: {tiny: {}}
"""
# What is drawn of it: the last section of each paper's file.
DRAWN = {
    "resnet-vs-plain": """drawn:
  shallow:
    title: one
    tables: {table-shallow: accuracy}
    figures: {figure-6: curves}
""",
    "tinyimage10": """drawn:
  optimiser:
    title: two
    tables: {table-optimiser: accuracy}
    figures: {figure-3: curves}
""",
}
HEAD = "title: A paper\nauthors: Somebody\nreference: Somewhere\n"
PAPER = HEAD + "protocol: [{what: x, stated: y, where: z}]\nreported: []\nsilent: []\ndeviations: []\n"


def write_tiny(folder: Path, text: str = TINY, paper: str = PAPER) -> Path:
    """params.yaml and the files of its two papers, which say no more than ``paper``; returns the first."""
    (folder / "papers").mkdir(exist_ok=True)
    for name, drawn in DRAWN.items():
        (folder / f"papers/{name}.yaml").write_text(paper + drawn)
    (folder / "params.yaml").write_text(text)
    return folder / "params.yaml"


class Workspace:
    """A copy of the repository's files with the tiny parameters and papers, and Snakemake, Git and DVC in it."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is filled, unless it is there already."""
        self.folder = folder
        self.params = folder / "params.yaml"
        self.env = os.environ | {
            "PATH": f"{programs()}{os.pathsep}{os.environ['PATH']}",
            SERVER: OFF,  # each workflow's own, which would import again what the programs' has
            "PYTHONPATH": str(folder / "src"),
            "ABLATE_PROGRESS": "plain",
            "DVC_SITE_CACHE_DIR": f"{folder}-dvc",
            **{
                f"GIT_{who}_{what}": "test@example.org"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        if folder.exists():
            return
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        folder.mkdir(parents=True)
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_symlink():
                (folder / name).symlink_to((ROOT / name).readlink())
            elif (ROOT / name).is_file() and not name.startswith(("results/", "tests/")):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for compiled in (ROOT / "src").rglob("__pycache__"):  # good for sources of the same time
            unfinished = shutil.ignore_patterns("*.pyc.*")  # another worker's
            shutil.copytree(compiled, folder / compiled.relative_to(ROOT), dirs_exist_ok=True, ignore=unfinished)
        # Two papers that say little: the claims and networks of the shipped ones would take most of a rendering.
        shutil.rmtree(folder / "papers")
        write_tiny(folder)

    def start_programs(self) -> None:
        """From here on programs are started as users start them, workflows with their own server: for kills."""
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env.pop(SERVER, None)

    def draw(self, paper: str, drawn: str) -> None:
        """Put another section in the place of the one that says what is drawn of the paper."""
        file = self.folder / f"papers/{paper}.yaml"
        said, found, _ = file.read_text().partition("\ndrawn:\n")
        assert found
        file.write_text(f"{said}\n{drawn}")

    def edit(self, old: str, new: str, file: str = "params.yaml") -> None:
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)

    def do(self, command: str) -> str:
        """What a shell command that ends well prints, both streams in one."""
        done = self.run("bash", "-ec", f"exec 2>&1; {command}")
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def snakemake(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("snakemake", "--cores", "8", *words)

    def jobs(self, *words: str) -> dict[str, int]:
        """{rule: how many jobs} that Snakemake ran, from its own job statistics; all must have ended well."""
        done = self.snakemake(*words)
        assert done.returncode == 0, done.stderr
        return job_counts(done.stderr + done.stdout)


def job_counts(text: str) -> dict[str, int]:
    """Snakemake's table of job statistics, without its total and the target rule."""
    counts: dict[str, int] = {}
    if "Job stats:" in text:
        for line in text.split("Job stats:", 1)[1].splitlines()[3:]:
            words = line.split()
            if len(words) != 2 or not words[1].isdigit():
                break
            counts[words[0]] = int(words[1])
    counts.pop("total", None)
    counts.pop("all", None)
    return counts


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and heartbeats go below the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_figures_left() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt  # takes a second, which few tests need

    plt.close("all")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "repository")


@dataclass(frozen=True)
class Rendered:
    """A copy of a workspace in which one `snakemake all` has run, to write to; and what that one said."""

    workspace: Workspace
    stdout: str
    stderr: str

    @property
    def jobs(self) -> dict[str, int]:
        return job_counts(self.stderr + self.stdout)


@pytest.fixture(scope="session")
def rendered_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `rendered` is a copy of."""

    def make(folder: Path) -> None:
        done = Workspace(folder / "repository").snakemake("all")
        assert done.returncode == 0, done.stderr
        (folder / "said.json").write_text(json.dumps([done.stdout, done.stderr]))

    return made_once(tmp_path_factory, "rendered", make)


@pytest.fixture
def rendered(rendered_once: Path, tmp_path: Path) -> Rendered:
    folder = tmp_path / "rendered"
    subprocess.run(["cp", "-a", rendered_once, folder], check=True)
    said = json.loads((folder / "said.json").read_text().replace(str(rendered_once), str(folder)))
    return Rendered(Workspace(folder / "repository"), *said)


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four pretended GPUs, all visible."""
    listing(tmp_path / "bin", LISTING)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(VISIBLE, raising=False)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path)
    yield made
    for process in made.running.values():
        if process.poll() is None:
            process.kill()
            process.wait()


# Two papers with five runs, one of them from weights that a pretraining run left.
DEEP = """    deep:
      settings: {model: cnn1}
    started:
      settings: {classes: [0, 5], weights: "pretrain:others"}
  tinyimage10:"""

# One figure of all that is drawn of them by default: each costs a third of a second whenever they are drawn again.
DEEP_DRAWN = """  deep: {figures: {}}
  started: {figures: {figure-started: dots}}
"""


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` that ``make`` fills, once for all processes that test."""
    shared = factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / name / "ready").exists():
            (shared / name).mkdir()
            make(shared / name)
            (shared / name / "ready").touch()
    return shared / name


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository after `dvc repro` and `dvc push`, to read: `finished` is a copy to write to."""

    def make(folder: Path) -> None:
        w = Workspace(folder / "repository")
        w.edit("studies:\n", "pretraining: {others: {classes: [5, 10]}}\nhealth: {}\ntrainers: {}\nstudies:\n")
        w.edit("  tinyimage10:", DEEP)
        w.draw("resnet-vs-plain", DRAWN["resnet-vs-plain"] + DEEP_DRAWN)
        w.do("git init -q -b main; git add .; git commit -qm start; dvc remote add -q -d store ../store; dvc repro")
        w.do("git add dvc.lock .dvc; git commit -qm results; dvc push -q")

    return made_once(tmp_path_factory, "finished", make)


@pytest.fixture
def finished(base: Path, tmp_path: Path) -> Workspace:
    """A copy of `base`, with Git's and DVC's records."""
    subprocess.run(["cp", "-a", base, tmp_path / "finished"], check=True)
    return Workspace(tmp_path / "finished/repository")


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study as a clone has it: trained, recorded and rendered, without its run folders."""
    from committed import commit_study  # which imports torch

    def make(folder: Path) -> None:
        (folder / "study").mkdir()
        commit_study(folder / "study")

    return made_once(tmp_path_factory, "committed", make) / "study"
