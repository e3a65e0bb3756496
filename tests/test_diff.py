"""`ablate diff`. Oracle: scipy's paired t interval, the tiny parameters, and what Git was given."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablate.cli import main as cli
from ablate.cli.diff import _decimals, _pm
from ablate.plan.code import code_of
from ablate.plan.params import load
from ablate.plan.runs import RUNS, make_plan
from ablate.results.differences import Metric, compare_metrics
from conftest import TINY, write_tiny
from fabricated import vouch

Ablate = Callable[..., tuple[int, str, str]]
PLACE = "resnet-vs-plain/shallow"


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=3, max_size=8))
def test_the_difference_has_a_paired_interval(pairs: list[tuple[float, float]]) -> None:
    first, second = (dict(enumerate(side)) for side in zip(*pairs, strict=True))
    (m,) = compare_metrics({"val_top1": first | {77: 1.0}}, {"val_top1": second})
    change = [second[i] - first[i] for i in first]
    assert (m.n_first, m.n_second, m.n) == (len(pairs) + 1, len(pairs), len(pairs))
    assert m.difference == pytest.approx(np.mean(change), abs=1e-9)
    if np.ptp(change) > 1e-6:
        assert m.difference is not None and m.pm is not None
        expected = stats.t.interval(0.95, len(change) - 1, loc=np.mean(change), scale=stats.sem(change))
        assert (m.difference - m.pm, m.difference + m.pm) == pytest.approx(expected, abs=1e-6)


def test_no_seed_in_common_has_no_difference() -> None:
    (m,) = compare_metrics({"val_top1": {0: 1.0}}, {"val_top1": {1: 2.0}})
    assert (m.n, m.difference, m.pm, m.first, m.first_pm) == (0, None, None, 1.0, None)


def test_two_seeds_in_common_have_a_difference_and_no_interval() -> None:
    (m,) = compare_metrics({"val_top1": {0: 50.0, 1: 60.0, 2: 70.0}}, {"val_top1": {0: 40.0, 1: 40.0}})
    assert (m.n, m.difference, m.pm, m.second, m.second_pm) == (2, -15.0, None, 40.0, None)
    assert m.first_pm == pytest.approx(4.3027 * 10 / 3**0.5, abs=0.001)


@pytest.fixture
def ablate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ablate:
    """The command in a repository of four seeds: of cifar-resnet7 50, 60, 70, 60 %, of cifar-plain7 40 thrice."""
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path, TINY.replace("seeds: [0]", "seeds: [0, 1, 2, 3]"))
    tops = {"cifar-resnet7": (0.5, 0.6, 0.7, 0.6), "cifar-plain7": (0.4, 0.4, 0.4)}
    for p in make_plan(load(Path("params.yaml"))).planned:
        if p.study == "shallow" and p.run.seed < len(tops[p.arm]):
            (RUNS / p.run.id).mkdir(parents=True)
            metrics = {"status": "done", "epochs": 1, "val_top1": tops[p.arm][p.run.seed]}
            (RUNS / p.run.id / "metrics.json").write_text(json.dumps(metrics))
            rows = "".join(f"val,{i},1,{int(i < 10 * metrics['val_top1'])}\n" for i in range(10))
            (RUNS / p.run.id / "predictions.csv").write_text("split,position,label,predicted\n" + rows)
            vouch(RUNS / p.run.id)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ablate", "diff", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_two_arms(ablate: Ablate) -> None:
    code, out, err = ablate(f"{PLACE}:cifar-resnet7", f"{PLACE}:*plain7", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["settings"] == {"": {"model": ["cifar-resnet7", "cifar-plain7"]}}
    (m,) = found["metrics"][""]
    expected = {"n_first": 4, "first": 60.0, "n_second": 3, "second": 40.0, "n": 3, "difference": -20.0}
    assert {key: m[key] for key in expected} == pytest.approx(expected)
    assert m["pm"] == pytest.approx(4.3027 * 10 / 3**0.5, abs=0.01)  # t s / sqrt(n) of -10, -20, -30
    said = ablate(f"{PLACE}:cifar-resnet7", f"{PLACE}:cifar-plain7")[1]
    assert 'model: "cifar-resnet7" -> "cifar-plain7"' in said and "-20.00 ± 24.84" in said


def test_a_small_difference_keeps_its_digits() -> None:
    """Oracle: by hand; of a mean that did not change no zero has a sign."""
    small = Metric("val_top1", 3, 50.0, 0.5, 3, 50.0012, 0.5, 3, 0.0012, 0.0031)
    assert _pm(small.difference, small.pm, decimals=_decimals(small), sign=True) == "+0.0012 ± 0.0031"
    assert _pm(small.first, small.first_pm, decimals=_decimals(small)) == "50.0000 ± 0.5000"
    none = Metric("val_top1", 3, 50.0, 0.5, 3, 50.0, 0.5, 3, -1e-15, 0.0)
    assert _pm(none.difference, none.pm, decimals=_decimals(none), sign=True) == "+0.00 ± 0.00"


def test_two_runs_are_compared_by_image_as_well(ablate: Ablate) -> None:
    """Oracle: six of ten images right, and four."""
    runs = {
        (p.arm, p.run.seed): p.run.id for p in make_plan(load(Path("params.yaml"))).of("resnet-vs-plain", "shallow")
    }
    code, out, err = ablate(runs["cifar-resnet7", 1], runs["cifar-plain7", 1])
    assert code == 0, err
    assert "2 less 1 -20.00 points" in out and "over 10 images" in out and "p 0.5" in out
    assert "settings: the same" in ablate(runs["cifar-resnet7", 0], runs["cifar-resnet7", 1])[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing", "HEAD"], "nothing: no run, arm or commit"),
        ([f"{PLACE}:*", f"{PLACE}:cifar-plain7"], "these are 2 arms"),
        ([f"{PLACE}:cifar-resnet8", f"{PLACE}:cifar-plain7"], "did you mean 'cifar-resnet7'"),
        ([f"{PLACE}:cifar-resnet7", "HEAD"], "compare two of a kind"),
    ],
)
def test_what_cannot_be_compared(words: list[str], said: str, ablate: Ablate) -> None:
    subprocess.run("git init -q; git add params.yaml; git -c user.name=x -c user.email=x commit -qm x", shell=True)
    code, _, err = ablate(*words)
    assert code == 2 and said in err


def test_two_commits(ablate: Ablate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting, a number and a line of code are others in the second; a comment of another file as well."""
    code = [Path("src/train.py"), Path("src/other.py")]
    monkeypatch.setattr("ablate.cli.diff.code_of", lambda step, model: code_of(step, model) and code[:1])
    table = Path("results/tiny/resnet-vs-plain/runs.csv")
    for folder in (table.parent, Path("src")):
        folder.mkdir(parents=True)
    git = "git -c user.name=x -c user.email=x"
    for n, lr in enumerate(("0.01", "0.03")):
        write_tiny(Path(), TINY.replace("lr: 0.01", f"lr: {lr}"))
        rows = [f"shallow,cifar-resnet7,{s},x,done,{0.5 + 0.1 * n + 0.01 * s * n}\n" for s in range(3)]
        rows += [f"shallow,cifar-plain7,{s},x,done,0.3\n" for s in range(3)]
        table.write_text("study,arm,seed,run,status,val_top1\n" + "".join(rows))
        for file in code:
            file.write_text(f"{file.stem} = {n}\n")
        words = f"git init -q; git add -f params.yaml src results/tiny; {git} commit -qm {n}; git tag v{n}"
        subprocess.run(words, shell=True, check=True)
    ended, out, err = ablate("v0", "v1")
    assert ended == 0, err
    assert f"{PLACE}: cifar-resnet7: lr: 0.01 -> 0.03" in out and "optimiser" not in out  # has its own lr
    # Of 10, 11 and 12: t of two degrees, 4.3027, times 1 / sqrt(3). The other arm is as it was.
    assert "+11.00 ± 2.48" in out and out.count("val_top1") == 1
    assert "-train = 0" in out and "+train = 1" in out and "other = " not in out
    same = ablate("v1", "HEAD")[1]
    assert "settings: the same" in same and "metrics: the same" in same
