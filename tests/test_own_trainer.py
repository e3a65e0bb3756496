"""Own trainers: what they get and leave, what their runs depend on, and each mistake as one message.

Oracles: scripts that say what they got, and results that follow from settings and seed by a formula.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ablate.csv_text import read_rows
from ablate.errors import UserError
from ablate.plan.params import load
from ablate.plan.runs import OwnRun, Run
from ablate.plan.trainer_code import own_key
from ablate.workflow.due import Keys
from conftest import Ablate
from own import SCRIPT, STUDIES, TRAINER, metrics, planned, words_to_train, write_project

LEAVES = """
import json, os, sys
from pathlib import Path
out = Path(os.environ["ABLATE_OUT"])
"""


def trained(ablate: Ablate, count: int | None = None) -> None:
    """Train the first ``count`` planned runs."""
    for entry in planned()[:count]:
        code, _, err = ablate(*words_to_train(entry))
        assert code == 0, err


def refused(ablate: Ablate, *words: str) -> str:
    code, _, err = ablate(*words)
    assert code == 2, err
    (line,) = [line for line in err.splitlines() if line.startswith("ablate: error:")]
    return line


def test_metrics_follow_settings_and_seed(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path)
    trained(ablate)
    for entry in planned():
        depth, seed = int(entry.arm), entry.run.seed
        found = metrics(entry)
        assert found == {"status": "done", "epochs": 0} | {
            "score": pytest.approx(0.1 * depth + 0.01 * seed), "loss": pytest.approx(1 / depth + 0.001 * seed)
        }  # fmt: skip


def test_a_script_gets_settings_seed_and_places_by_words_and_by_environment(ablate: Ablate, tmp_path: Path) -> None:
    trainer = TRAINER.replace("{depth} {seed} {out}", "{depth} {seed} {out} {device} {threads} {settings} {resume}")
    script = LEAVES + (
        'names = ("SEED", "OUT", "DEVICE", "THREADS", "SETTINGS", "RESUME")\n'
        'assert sys.argv[2:] == [os.environ[f"ABLATE_{name}"] for name in names], sys.argv\n'
        'assert json.loads(Path(os.environ["ABLATE_SETTINGS"]).read_text()) == {"depth": int(sys.argv[1])}\n'
        'assert os.environ["OMP_NUM_THREADS"] == os.environ["ABLATE_THREADS"] == "1"\n'
        "assert not list(out.iterdir()) and Path(os.environ['ABLATE_RESUME']).is_dir()\n"
        '(out / "metrics.json").write_text(json.dumps({"score": 1, "loss": 2}))\n'
    )
    write_project(tmp_path, trainer.replace("{seed} {out} {device}", "{seed} {out} {device}"), script=script)
    order = "{depth} {seed} {out} {device} {threads} {settings} {resume}"
    assert order in (tmp_path / "params.yaml").read_text()
    trained(ablate, 1)
    assert metrics(planned()[0])["score"] == 1


@pytest.mark.parametrize(
    "value", ["a b", "; touch broken", "$(touch broken)", "`touch broken`", '"', "'", "{seed}", "--x", "é\n"]
)
def test_no_value_changes_the_command(ablate: Ablate, tmp_path: Path, value: str) -> None:
    trainer = TRAINER.replace("{depth: {type: integer, minimum: 1}}", "{text: {type: string}}").replace(
        "{depth}", "--text={text}"
    )
    studies = STUDIES.replace("axes: {depth: [1, 2]}", f"axes: {{text: [{json.dumps(value)}]}}")
    script = LEAVES + (
        f"assert sys.argv[1] == '--text=' + {value!r} and len(sys.argv) == 4, sys.argv\n"
        '(out / "metrics.json").write_text(json.dumps({"score": 1, "loss": 2}))\n'
    )
    write_project(tmp_path, trainer, studies, script)
    trained(ablate, 1)
    assert not (tmp_path / "broken").exists()


def test_a_function_is_called_with_settings_seed_and_out(ablate: Ablate, tmp_path: Path) -> None:
    trainer = TRAINER.replace("command: python train.py {depth} {seed} {out}", "function: code/train.py:run")
    write_project(tmp_path, trainer)
    (tmp_path / "code").mkdir()
    (tmp_path / "code/beside.py").write_text("factor = 10\n")
    (tmp_path / "code/train.py").write_text(
        "from beside import factor\n"
        "def run(settings, seed, out):\n"
        "    assert out.is_dir()\n"
        "    return {'score': factor * settings['depth'] + seed, 'loss': 1}\n"
    )
    trained(ablate)
    assert [metrics(entry)["score"] for entry in planned()] == [10, 11, 12, 20, 21, 22]


def test_a_shell_script_and_a_pattern_of_what_it_prints(ablate: Ablate, tmp_path: Path) -> None:
    trainer = """
trainers:
  shell:
    command: sh train.sh {depth} {seed}
    schema: {depth: {type: integer}}
    metrics: {seconds: {better: lower, unit: s, pattern: 'took ([0-9.]+) s'}}
"""
    write_project(tmp_path, trainer, STUDIES.replace("trainer: tree", "trainer: shell"))
    (tmp_path / "train.sh").write_text('echo "epoch 1 took 99 s"\necho "in all it took $1.$2 s"\n')
    trained(ablate)
    assert [metrics(entry)["seconds"] for entry in planned()] == [1.0, 1.1, 1.2, 2.0, 2.1, 2.2]


def test_a_table_and_a_curve(ablate: Ablate, tmp_path: Path) -> None:
    script = LEAVES + (
        '(out / "metrics.csv").write_text("loss,score\\n9,9\\n0.25,0.5\\n")\n'
        '(out / "history.csv").write_text("epoch,loss\\n1,0.5\\n2,0.25\\n")\n'
        '(out / "predictions.csv").write_text("case,answer\\n1,yes\\n")\n'
    )
    write_project(tmp_path, script=script)
    trained(ablate, 1)
    entry = planned()[0]
    assert metrics(entry) == {"status": "done", "epochs": 2, "score": 0.5, "loss": 0.25}
    folder = tmp_path / "results/runs" / entry.run.id
    assert (folder / "history.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"
    assert (folder / "predictions.csv").read_text() == "case,answer\n1,yes\n"


def test_a_run_that_diverged_says_so_and_is_a_result(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, script=LEAVES + '(out / "metrics.json").write_text(\'{"status": "diverged"}\')\n')
    trained(ablate, 1)
    assert metrics(planned()[0]) == {"status": "diverged", "epochs": 0}


# What a script does, and what must be in the one message.
BAD = {
    "writes nothing": ("", "wrote no metrics"),
    "NaN": (
        "(out / 'metrics.json').write_text('{\"score\": NaN, \"loss\": 1}')",
        "score is NaN, and no finite number",
    ),
    "true": ("(out / 'metrics.json').write_text('{\"score\": true, \"loss\": 1}')", "score is true"),
    "text": ('(out / \'metrics.json\').write_text(\'{"score": "high", "loss": 1}\')', 'score is "high"'),
    "undeclared": ("(out / 'metrics.json').write_text('{\"score\": 1, \"los\": 1}')", "did you mean 'loss'?"),
    "missing": ("(out / 'metrics.json').write_text('{\"score\": 1}')", "has no loss, which trainers.tree.metrics"),
    "another seed": (
        '(out / \'metrics.json\').write_text(\'{"score": 1, "loss": 1, "seed": 7}\')',
        "is of the seed 7, and this is 0",
    ),
    "not JSON": ("(out / 'metrics.json').write_text('score: 1')", "is no JSON"),
    "no object": ("(out / 'metrics.json').write_text('[1]')", "is no object"),
    "a status": ("(out / 'metrics.json').write_text('{\"status\": \"dne\"}')", "did you mean 'done'?"),
    "out of range": ("(out / 'metrics.json').write_text('{\"score\": 93.1, \"loss\": 1}')", "range goes from 0 to 1"),
    "exit code 3": ("sys.exit(3)", "ended with exit code 3"),
    "a signal": ("os.kill(os.getpid(), 9)", "ended by the signal SIGKILL"),
    "a curve of words": (
        "(out / 'metrics.json').write_text('{\"score\": 1, \"loss\": 1}');"
        "(out / 'history.csv').write_text('epoch,loss\\n1,low\\n')",
        "loss has 'low'",
    ),
    "a curve without epochs": (
        "(out / 'metrics.json').write_text('{\"score\": 1, \"loss\": 1}');"
        "(out / 'history.csv').write_text('loss\\n1\\n')",
        "no column epoch",
    ),
    "takes too long": ("import time; time.sleep(60)", "longer than the 1.5 seconds of trainers.tree.timeout"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_script_does_wrong_is_one_message_and_no_result(ablate: Ablate, tmp_path: Path, case: str) -> None:
    does, said = BAD[case]
    trainer = TRAINER.replace("score: {better: higher}", "score: {better: higher, range: [0, 1]}")
    write_project(tmp_path, trainer + "    timeout: 1.5\n" * (case == "takes too long"), script=f"{LEAVES}\n{does}\n")
    entry = planned()[0]
    assert said in refused(ablate, *words_to_train(entry))
    assert not (tmp_path / "results/runs" / entry.run.id).exists()


def test_a_stale_file_of_another_run_is_not_taken(ablate: Ablate, tmp_path: Path) -> None:
    """A script that wrote for one seed and writes nothing for the next leaves nothing to be taken."""
    write_project(tmp_path, script=SCRIPT + "\n" + "os.remove(out / 'metrics.json') if seed else None\n")
    first, second = planned()[:2]
    assert ablate(*words_to_train(first))[0] == 0
    assert "wrote no metrics" in refused(ablate, *words_to_train(second))


REFUSED = {
    "no program": (("python train.py", "pithon train.py"), None, "pithon cannot be started"),
    "no script": (("train.py", "trian.py"), None, "trainers.tree.command: there is no file trian.py"),
    "placeholder": (("{depth} {seed}", "{dpeth} {seed}"), None, "{dpeth} is no setting of its schema"),
    "quote": (("python train.py", "python 'train.py"), None, "cannot be split into words"),
    "both": (("schema:", "function: train.py:run\n    schema:"), None, "write command, function or results"),
    "schema": (("minimum: 1", "minimun: 1"), None, "did you mean 'minimum'?"),
    "type of schema": (("type: integer", "type: int"), None, "is no JSON Schema"),
    "default": (("minimum: 1", "minimum: 1, default: 0"), None, "its default 0 is less than the minimum of 1"),
    "metric's key": (("better: lower", "beter: lower"), None, "did you mean 'better'?"),
    "direction": (("better: lower", "better: smaller"), None, "Input should be 'higher' or 'lower'"),
    "metric's name": (("loss: {", "status: {"), None, "status is a name of the pipeline's own"),
    "pattern": (("unit: nats", "pattern: 'x = .*'"), None, "must have one group"),
    "file": (("    schema:", "    files: [nowhere.csv]\n    schema:"), None, "there is no nowhere.csv"),
    "key": (("    schema:", "    shema:"), None, "did you mean 'schema'?"),
    "trainer": (None, ("trainer: tree", "trainer: treee"), "did you mean 'tree'?"),
    "setting": (None, ("trainer: tree", "trainer: tree, dpth: 3"), "did you mean 'depth'?"),
    "value": (None, ("depth: [1, 2]", "depth: [1, 0]"), "0 is less than the minimum of 1, by the schema"),
    "type": (None, ("depth: [1, 2]", "depth: [1, two]"), "'two' is not of type 'integer'"),
    "axis": (None, ("axes: {depth:", "axes: {dpth:"), "did you mean 'depth'?"),
    "needs": (None, ("axes: {depth: [1, 2]}", "axes: {}"), "needs depth, which nothing sets"),
    "setting of the other": (
        None,
        ("trainer: tree", "trainer: tree, lr: 0.1"),
        "unknown setting of the trainer tree 'lr'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_in_params_is_one_message_with_its_key(ablate: Ablate, tmp_path: Path, case: str) -> None:
    trainer, study, said = REFUSED[case]
    for edit, text in ((trainer, TRAINER), (study, STUDIES)):
        assert edit is None or edit[0] in text
    write_project(
        tmp_path, TRAINER.replace(*trainer) if trainer else TRAINER, STUDIES.replace(*study) if study else STUDIES
    )
    if case == "no program":  # which another machine may have
        assert said in refused(ablate, *words_to_train(planned()[0]))
    else:
        line = refused(ablate, "plan")
        assert said in line and "params.yaml: " in line


def test_settings_of_all_studies_are_a_trainer_s_where_its_schema_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trainer = TRAINER.replace("minimum: 1}", "minimum: 1}, epochs: {type: integer, default: 9}")
    write_project(tmp_path, trainer)
    file = tmp_path / "params.yaml"
    file.write_text(file.read_text().replace("defaults: {}", "defaults: {epochs: 5, batch_size: 64}"))
    assert {entry.run.settings.plain["epochs"] for entry in planned()} == {5}
    file.write_text(file.read_text().replace("scales: {mine: {}}", "scales: {mine: {overrides: {epochs: 2}}}"))
    assert {entry.run.settings.plain["epochs"] for entry in planned()} == {2}


def test_a_setting_that_is_added_with_a_default_leaves_names_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    before = [entry.run.id for entry in planned()]
    write_project(tmp_path, TRAINER.replace("minimum: 1}", "minimum: 1}, trees: {type: integer, default: 9}"))
    assert [entry.run.id for entry in planned()] == before
    assert {entry.run.settings.plain["trees"] for entry in planned()} == {9}
    write_project(tmp_path, TRAINER.replace("minimum: 1}", "minimum: 1}, trees: {type: integer, default: 9}"),
                  STUDIES.replace("trainer: tree", "trainer: tree, trees: 8"))  # fmt: skip
    assert not {entry.run.id for entry in planned()} & {*before}


def test_a_run_comes_back_from_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    for entry in planned():
        found = Run.from_json(entry.run.to_json())
        assert found == entry.run and found.id == entry.run.id and isinstance(found, OwnRun)


def reasons() -> list[str | None]:
    """Why each planned run would be trained: in one process, in which files change from call to call."""
    from ablate.plan.runs import current_plan

    params = load(Path("params.yaml"))
    plan = current_plan(params)
    keys = Keys(params, plan)
    return [keys.run_reason(run) for run in plan.runs.values()]


def test_exactly_the_runs_of_what_was_edited_are_due(ablate: Ablate, tmp_path: Path) -> None:
    """Two trainers with a script each, one of which imports a module and reads a file."""
    other = TRAINER.replace("trainers:\n", "").replace("tree:", "other:").replace("train.py", "other.py")
    both = TRAINER + other.replace("    schema:", "    files: [table.csv]\n    schema:")
    studies = STUDIES + STUDIES.split("studies:\n  mine:\n")[1].replace("depth:\n", "more:\n", 1).replace(
        "tree", "other"
    )
    (tmp_path / "helper.py").write_text("x = 1\n")
    (tmp_path / "table.csv").write_text("1\n")
    write_project(tmp_path, both, studies)
    (tmp_path / "other.py").write_text(f"import helper\n{SCRIPT}")
    trained(ablate)
    assert reasons() == [None] * 12

    def after(file: str, text: str) -> list[str | None]:
        before = (tmp_path / file).read_text()
        (tmp_path / file).write_text(text)
        found = reasons()
        (tmp_path / file).write_text(before)
        assert reasons() == [None] * 12
        return found

    assert after("train.py", SCRIPT + "x = 1\n") == ["code changed"] * 6 + [None] * 6
    assert after("train.py", f"# a comment\n{SCRIPT}") == [None] * 12
    assert after("other.py", SCRIPT) == [None] * 6 + ["code changed"] * 6
    assert after("helper.py", "x = 2\n") == [None] * 6 + ["code changed"] * 6
    assert after("table.csv", "2\n") == [None] * 6 + ["files changed"] * 6
    text = (tmp_path / "params.yaml").read_text()
    assert (
        after("params.yaml", text.replace("python train.py", "python -O train.py"))
        == ["code changed"] * 6 + [None] * 6
    )
    assert after("params.yaml", text.replace("unit: nats", "unit: bits", 1)) == [None] * 12


def test_a_killed_run_goes_on_from_what_its_script_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 of the job: its script ends with it, keeps what it wrote into ``resume``, and begins there again."""
    monkeypatch.chdir(tmp_path)
    script = LEAVES + (
        "import time\n"
        "kept = Path(os.environ['ABLATE_RESUME']) / 'steps'\n"
        "done = int(kept.read_text()) if kept.exists() else 0\n"
        "print('begins at', done, os.getpid(), flush=True)\n"
        "for step in range(done, 3):\n"
        "    kept.write_text(str(step + 1))\n"
        "    (out / 'history.csv').write_text('epoch,loss\\n' + ''.join(f'{n},1\\n' for n in range(step + 1)))\n"
        "    time.sleep(0.1 if done else 60 * (step == 1))\n"
        "(out / 'metrics.json').write_text(json.dumps({'score': done, 'loss': 1}))\n"
    )
    write_project(tmp_path, script=script)
    entry = planned()[0]
    words = [sys.executable, "-m", "ablate", *words_to_train(entry)]
    job = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert job.stdout
    _, _, _, pid = job.stdout.readline().split()
    kept = tmp_path / ".ablate/checkpoints" / entry.run.id / "resume/steps"
    for _ in range(200):
        if kept.exists() and kept.read_text() == "2":
            break
        time.sleep(0.05)
    job.kill()
    job.wait()
    if sys.platform == "linux":
        for _ in range(100):
            if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the script lives on")
    from ablate.plan.runs import current_plan
    from ablate.plan.status import statuses

    assert statuses(current_plan(load(Path("params.yaml"))))[0]["state"] == "interrupted"
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert metrics(entry) == {"status": "done", "epochs": 3, "score": 2, "loss": 1}
    assert not kept.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_script_gets_time_to_save_when_its_job_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    script = LEAVES + (
        "import signal, time\n"
        "def save(number, frame):\n"
        "    (Path(os.environ['ABLATE_RESUME']) / 'saved').write_text(str(number))\n"
        "    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('begins', flush=True)\n"
        "time.sleep(60)\n"
    )
    write_project(tmp_path, script=script)
    entry = planned()[0]
    job = subprocess.Popen(
        [sys.executable, "-m", "ablate", *words_to_train(entry)], stdout=subprocess.PIPE, text=True
    )
    assert job.stdout and job.stdout.readline() == "begins\n"
    job.send_signal(number)
    assert job.wait(20) == code
    assert (tmp_path / ".ablate/checkpoints" / entry.run.id / "resume/saved").read_text() == str(int(signal.SIGTERM))


def test_check_runs_one_arm_and_keeps_nothing(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path)
    code, out, _ = ablate("check", "mine/depth")
    assert code == 0
    assert "mine/depth: 1, seed 0, by the trainer tree" in out and "train.py" in out
    assert "score: 0.100 (higher is better)" in out and "loss (nats): 1.000 (lower is better)" in out
    assert not (tmp_path / "results").exists()
    (tmp_path / "train.py").write_text("import sys; sys.exit(3)\n")
    assert "ended with exit code 3" in refused(ablate, "check", "mine")


def test_check_warns_of_a_setting_that_nothing_passes(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, TRAINER.replace("{depth} {seed}", "1 {seed}"))
    _, out, _ = ablate("check", "mine/depth")
    assert "warning: no word of the command passes depth" in out


def test_keys_have_their_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    run: Any = planned()[0].run
    key = own_key(run.id, run.settings, load(Path("params.yaml")).trainers["tree"])
    assert key["run"] == run.id and key["data"] is None and key["start"] is None and key["code"]


def test_a_run_goes_with_its_own_kind_of_job(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path)
    words = words_to_train(planned()[0])
    assert "--pack: goes with" in refused(ablate, *(word for word in words if not word.startswith("--trainer")))
    with pytest.raises(UserError, match="--run: not a run record"):
        Run.from_json(json.dumps({"variant": "own", "seed": 0}))
    assert os.path.lexists(tmp_path / "params.yaml")


@pytest.mark.parametrize("deterministic", [False, True])
def test_equal_scores_of_seeds_are_said_and_none_is_dropped(
    ablate: Ablate, tmp_path: Path, deterministic: bool
) -> None:
    """Of depth 1 all seeds are equal, of depth 2 none."""
    trainer = TRAINER + "    deterministic: true\n" * deterministic
    paper = "drawn: {depth: {tables: {table-depth: accuracy}}}\n"
    alike = "(seed if depth > 1 else 0)"
    script = SCRIPT.replace("0.01 * seed", f"0.01 * {alike}").replace("0.001 * seed", f"0.001 * {alike}")
    write_project(tmp_path, trainer, script=script, paper=paper)
    trained(ablate)
    code, _, err = ablate("render")
    assert code == 0, err
    assert ("depth, 1: seeds 0, 1, 2 have equal scores" in err) is not deterministic
    first, second = read_rows(tmp_path / "results/mine/mine/table-depth.csv")
    assert (first["score"], first["score ±"], first["n"], second["n"]) == ("0.1", "0.0", "3", "3")
    assert first["note"] == ("" if deterministic else "equal scores of seeds 0, 1, 2") and second["note"] == ""


def test_a_kind_of_the_built_in_trainer_is_refused(ablate: Ablate, tmp_path: Path) -> None:
    for kind, said in {"gap": "gap is of the built-in trainer's runs", "heat:lss": "did you mean 'loss'?"}.items():
        write_project(tmp_path, paper=f"drawn: {{depth: {{figures: {{figure-1: '{kind}'}}}}}}\n")
        line = refused(ablate, "plan")
        assert said in line and "papers/mine.yaml: drawn.depth.figures.figure-1" in line


CLAIM = "claims: [{id: a, quote: q, where: w, study: depth, margin: 0.1, why: w, %s}]\n"
CLAIMS = {
    "metric": ("kind: order, metric: scroe, arms: ['2', '1']", "did you mean 'score'?"),
    "of the built-in": ("kind: order, metric: val_top1, arms: ['2', '1']", "unknown metric 'val_top1'"),
    "gap": ("kind: gap, arm: '1', direction: less", "gap is of the built-in trainer's runs"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_a_claim_of_what_its_trainer_does_not_measure_is_refused(ablate: Ablate, tmp_path: Path, case: str) -> None:
    write_project(tmp_path, paper=CLAIM % CLAIMS[case][0])
    assert CLAIMS[case][1] in refused(ablate, "plan")


def test_two_trainers_in_one_study_and_a_metric_that_one_of_them_has(ablate: Ablate, tmp_path: Path) -> None:
    other = TRAINER.replace("trainers:\n", "").replace("tree:", "bush:").replace("loss:", "size:")
    studies = STUDIES.replace("settings: {trainer: tree}\n      axes: {depth: [1, 2]}",
                              "settings: {depth: 1}\n      axes: {trainer: [tree, bush]}")  # fmt: skip
    script = SCRIPT.replace(
        '"loss": 1 / depth', '("size" if "bush" in os.environ["ABLATE_RUN"] else "loss"): 1 / depth'
    )
    write_project(tmp_path, TRAINER + other, studies, script, "drawn: {depth: {tables: {table-depth: accuracy}}}\n")
    trained(ablate)
    assert ablate("render")[0] == 0
    first, second = read_rows(tmp_path / "results/mine/mine/table-depth.csv")
    assert (first["trainer"], second["trainer"]) == ("tree", "bush")
    assert first["loss (nats)"] and not first["size (nats)"] and second["size (nats)"] and not second["loss (nats)"]
