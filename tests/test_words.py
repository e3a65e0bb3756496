"""The command lines of the jobs: each value reaches `ablate` as it was written, and the shell sees none of them.

Oracle: the argv that is meant, word by word, and what the command line's own parser makes of it.
"""

import hashlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.utils import format as snakemake_format
from typer.main import get_command

from ablate.cli.main import app
from ablate.data.embedded import write_cifar10
from ablate.errors import UserError
from ablate.plain import not_plain
from ablate.plan.runs import IMAGENET
from ablate.runtime.options import options
from conftest import ROOT, Workspace
from network import network

RULES = sorted((ROOT / "src/ablate/rules").glob("*.smk"))
# What a shell, an option parser, a formatter or Snakemake could take for something else.
NASTY = [
    "a b", " ", "  two  ", "'", '"', "it's \"so\"", "a\nb", "\n", "\t", "$(touch PWNED)", "`touch PWNED`", "$HOME",
    "${PATH}", "; touch PWNED", "a;b&c|d", "&&", "> PWNED", "< /etc/passwd", "*", "?", "[a]", "~", "!!", "\\", "a\\",
    "\\n", "-", "--", "-x", "--output", "--output=x", "=", "a=b", "{", "}", "{wildcards.dataset}", "{{}}", "{0}", "#",
    "# no comment", "%s", "ünïcödé", "数据", "🙂", "\u202e", "\x01", "\x7f", "(", ")", "^", "a,b", ":q", "null", "0",
]  # fmt: skip
VALUES = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


COMMAND: Any = get_command(app)


def parsed(words: list[str]) -> dict[str, Any]:
    """What `ablate` makes of the words behind its name."""
    command = COMMAND.commands[words[0]]
    return dict(command.make_context(words[0], list(words[1:])).params)


def in_rule(pattern: str, **values: object) -> list[str]:
    """What a shell makes of a rule's command that Snakemake has formatted."""
    return shlex.split(snakemake_format(pattern, **values))


@settings(max_examples=60, deadline=None)
@given(start=st.none() | VALUES, tensorboard=st.none() | VALUES, mode=st.none() | VALUES)
def test_a_train_job_gets_the_values_that_went_in(
    start: str | None, tensorboard: str | None, mode: str | None
) -> None:
    given = options(start=start, tensorboard=tensorboard, compile=mode)
    words = in_rule("train --run {run:q} --pack {pack:q} --out o {options:q} --threads {n:q}", run="{}", pack="a b",
                    options=given, n=3)  # fmt: skip
    assert words == ["train", "--run", "{}", "--pack", "a b", "--out", "o", *given, "--threads", "3"]
    found = parsed(words)
    assert found["compile_mode"] == mode
    assert found["start"] == (None if start is None else Path(start))
    assert found["tensorboard"] == (None if tensorboard is None else Path(tensorboard))
    assert (found["run"], found["pack"], found["threads"]) == ("{}", Path("a b"), 3)


@settings(max_examples=60, deadline=None)
@given(mirror=st.none() | st.just("") | VALUES, spec=VALUES, output=VALUES)
def test_a_fetch_job_gets_the_values_that_went_in(mirror: str | None, spec: str, output: str) -> None:
    """With no mirror, the option behind it is not taken for its value."""
    pattern = "fetch --spec {spec:q} {mirror:q} --output {output:q} --receipt r"
    words = in_rule(pattern, spec=spec or "-", mirror=options(mirror=mirror), output=output or "-")
    found = parsed(words)
    assert (found["mirror"], found["spec"], found["output"]) == (mirror, spec or "-", Path(output or "-"))


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES.filter(bool)))
def test_a_list_is_one_option_for_each_entry(packs: list[str]) -> None:
    words = in_rule("figures --plan p --papers p {packs:q} --output o", packs=options(pack=packs))
    assert words == [
        "figures",
        "--plan",
        "p",
        "--papers",
        "p",
        *(f"--pack={pack}" for pack in packs),
        "--output",
        "o",
    ]
    assert list(parsed(words)["pack"]) == [Path(pack) for pack in packs]


def test_what_no_command_line_can_carry_is_refused() -> None:
    with pytest.raises(UserError, match=r"params\.yaml: mirror: .* NUL"):
        options(mirror="a\0b")


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_every_value_in_a_rule_s_command_is_quoted(path: Path) -> None:
    """By Snakemake's own `:q`; doubled braces are text. A value that may be empty is one word of `options`."""
    commands = re.findall(r"shell:\n((?:\s+\"[^\n]*\"\n)+)", path.read_text())
    assert len(commands) == path.read_text().count("shell:\n")
    for command in commands:
        assert [field for field in re.findall(r"{[^}]*}", command) if not field.endswith(":q}")] == []


JOB_LINES = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings
values, targets = json.loads(sys.argv[1]), sys.argv[2:]
with SnakemakeApi(OutputSettings(quiet={"all"})) as api:
    flow = api.workflow(ResourceSettings(cores=2), ConfigSettings(config=values), snakefile=Path("Snakefile"))
    flow.dag(DAGSettings(targets=frozenset(targets)))
    built = flow._workflow
    built._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True)
    built._build_dag()
    print(json.dumps([[job.rule.name, job.shellcmd] for job in built.dag.jobs if job.shellcmd]))
"""


def job_lines(workspace: Workspace, *targets: str, **values: object) -> list[tuple[str, list[str]]]:
    """(rule, words) of each job that Snakemake would run, without the `tee` behind them, whose log is checked."""
    done = workspace.run(sys.executable, "-c", JOB_LINES, json.dumps(values), *targets)
    assert done.returncode == 0, done.stderr
    found = []
    for rule, command in json.loads(done.stdout.splitlines()[-1]):
        words = shlex.split(command)
        assert words[-5:-1] == ["2>&1", "|", "tee", "-i"] and words[-1].startswith("logs/"), command
        found.append((rule, words[:-5]))
    return found


def with_data_sets(workspace: Workspace, weights: dict[str, str]) -> None:
    """A data set and a study for each entry: {path of its own copy: file of the weights to start from}."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    raw = yaml.load(workspace.params.read_text())
    sets = raw["datasets"]
    for i, (path, file) in enumerate(weights.items()):
        official = {k: v for k, v in sets["cifar10"].items() if k not in ("variant", "generator")}
        sets[f"own-{i}"] = official | {"path": path}
        settings = {"dataset": f"own-{i}", "weights": f"file:{file}"}
        raw["studies"]["tinyimage10"][f"own-{i}"] = {"settings": settings}
    workspace.params.write_text(json.dumps(raw, ensure_ascii=False).replace("\x7f", "\\x7f"))


@pytest.mark.slow
def test_every_job_of_the_workflow_gets_its_values_word_by_word(workspace: Workspace) -> None:
    """Paths of one's own, start weights, the mirror and the values of `--config`, each of them as nasty as can be."""
    weights = {name: f"w{name}.safetensors".replace("/", "-") for name in NASTY if not not_plain(name)}
    weights = {name: "plain.safetensors" if "\n" in name else file for name, file in weights.items()}  # refused there
    for file in weights.values():
        (workspace.folder / file).write_bytes(b"\x02\0\0\0\0\0\0\0{}")  # safetensors without a tensor
    workspace.edit("variant: embedded", "variant: official")
    workspace.edit("generator: {seed: 0, train_per_batch: 100, test: 200}", "urls: []")
    with_data_sets(workspace, weights)
    for mirror in (None, "", "$(touch PWNED)", "it's {x} \n--output=x"):
        lines = job_lines(workspace, "all", "results/tiny/decide/look-0.json", mirror=mirror)
        assert len(lines) > 2 * len(weights)
        for rule, words in lines:
            found = parsed(words[1:])  # the parser refuses what it does not know
            assert words[0] == "ablate"
            if rule == "fetch":
                assert found["mirror"] == (mirror or None)
            if rule in ("plan", "look"):
                assert json.loads(found["values"]) == {"mirror": mirror}
        paths = [json.loads(parsed(words[1:])["spec"])["path"] for rule, words in lines if rule == "fetch"]
        assert sorted(filter(None, paths)) == sorted(weights)
        starts = [parsed(words[1:])["start"] for rule, words in lines if rule == "train"]
        assert sorted(map(str, filter(None, starts))) == sorted(weights.values())
    assert not list(workspace.folder.rglob("PWNED"))


def test_the_other_callers_of_a_shell_hand_it_no_values() -> None:
    """dvc.yaml's templates and make's variables are not in its commands; the package starts no shell."""
    stages = (ROOT / "dvc.yaml").read_text()
    assert not re.search(r"(cmd:|^\s+- (mkdir|snakemake)).*\$\{", stages, re.MULTILINE)
    found = subprocess.run(
        ["grep", "-rnE", r"shell=True|os\.(system|popen)|create_subprocess_shell", "src"], cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout == ""


HOSTILE = "own $(touch PWNED) `touch PWNED`; touch PWNED & 'it\"s' -x ünï"


@pytest.mark.slow
def test_own_data_own_weights_and_the_rule_imagenet_without_a_mirror(workspace: Workspace, tmp_path: Path) -> None:
    """Real jobs, whose paths would run a program. Weights of the form of torchvision's, at their official address."""
    import torch
    from safetensors.torch import load_file, save_file

    from ablate.models._torchvision import import_torchvision
    from ablate.models.build import build

    folder = workspace.folder / HOSTILE
    folder.mkdir()
    write_cifar10(folder / "archive.tar.gz", seed=0, train_per_batch=100, test=200)
    save_file(build("cifar-plain7", classes=10, image_size=32).state_dict(), folder / "start.safetensors")
    workspace.edit("variant: embedded", f"path: {json.dumps(f'{HOSTILE}/archive.tar.gz', ensure_ascii=False)}")
    workspace.edit("generator: {seed: 0, train_per_batch: 100, test: 200}", "urls: []")
    weights = json.dumps(f"file:{HOSTILE}/start.safetensors", ensure_ascii=False)
    workspace.edit("settings: {lr: 0.02}", f"settings: {{lr: 0.02, weights: {weights}}}")
    assert workspace.jobs("tinyimage10")["train"] == 1
    manifest = next((workspace.folder / "results/runs").glob("*/manifest.json")).read_text()
    assert json.loads(manifest)["data"]["archive"]["archive"] == "cifar-10-python.tar.gz"

    name, served = "squeezenet1_1", tmp_path / "served.pth"
    model = import_torchvision().models.get_model(name)
    torch.save(model.state_dict(), served)
    code = workspace.folder / "src/ablate/models/weights.py"  # the official name has the official digest
    text = code.read_text()
    assert "return first.url, found[1]" in text
    digest = hashlib.sha256(served.read_bytes()).hexdigest()
    code.write_text(text.replace("return first.url, found[1]", f'return first.url, "{digest}"'))
    url = import_torchvision().models.get_model_weights(name).IMAGENET1K_V1.url.removeprefix("https://")
    with network({url: served}, tmp_path) as running:
        workspace.env |= running.env
        workspace.do(f"snakemake --cores 2 {IMAGENET}/{name}.safetensors")
        assert running.asked == [url]
    assert load_file(workspace.folder / f"{IMAGENET}/{name}.safetensors").keys() == model.state_dict().keys()
    assert not list(workspace.folder.rglob("PWNED"))
