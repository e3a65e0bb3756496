"""What can be said of the profile and of the tests' cluster where there is no Slurm."""

import re
from pathlib import Path

import cluster
import pytest

from conftest import ROOT, Workspace


@pytest.mark.slow
def test_the_profile_asks_for_what_its_comments_say_and_a_gpu_once_the_lines_are_uncommented(
    workspace: Workspace,
) -> None:
    """By a dry run, which needs no Slurm. Three short runs share a job, with three minutes for each at least."""
    words = ("snakemake", "--profile", "workflow/profiles/slurm", "--dry-run", "runs")
    said = workspace.run(*words)
    assert said.returncode == 0, said.stderr
    asked = re.findall(r"rule train:.*?resources: (.*?)\n", said.stdout, re.DOTALL)
    assert len(asked) == 3 and said.stdout.count("Group job batch-1 ") == 1
    for resources in asked:
        assert {"mem_mb=2000", "runtime=3", "in_turn=1", "slurm_extra=--signal=USR1@30"} <= set(resources.split(", "))
        assert "gpu" not in resources

    profile = workspace.folder / "workflow/profiles/slurm/config.yaml"
    profile.write_text(re.sub(r"# (gpu: 1|gpu_model: h200|slurm_partition: gpu)\b", r"\1", profile.read_text()))
    said = workspace.run(*words)
    assert said.stdout.count("gpu=1, gpu_model=h200, slurm_partition=gpu") == 3

    workspace.edit("group-components: {batch: 10} ", "group-components: {batch: 1}", str(profile))
    said = workspace.run(*words)
    assert said.stdout.count("runtime=10") == 3 and "Group job" not in said.stdout


def test_retries_stand_in_the_profile_alone() -> None:
    """In a rule they would be applied again inside of each cluster job, to every one of its attempts."""
    assert "retries: 2" in (ROOT / "workflow/profiles/slurm/config.yaml").read_text()
    assert not [path for path in (ROOT / "src/ablate/rules").glob("*.smk") if "retries" in path.read_text()]


def test_the_tests_cluster_leaves_a_foreign_configuration_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ETC", tmp_path)
    monkeypatch.setattr(cluster, "PROGRAMS", [])
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("psutil.process_iter", lambda attrs: [])
    assert cluster.why_not() is None
    (tmp_path / "slurm.conf").symlink_to(tmp_path / cluster.STATE / "slurm.conf")  # an earlier start's, broken by now
    assert cluster.why_not() is None
    foreign = tmp_path / "gres.conf"
    foreign.write_text("NodeName=real\n")
    with pytest.raises(SystemExit, match=r"not the tests'.*gres\.conf"):
        cluster.start(tmp_path)
    assert foreign.read_text() == "NodeName=real\n"
    monkeypatch.setattr("os.geteuid", lambda: 1)
    assert "root" in str(cluster.why_not())
    monkeypatch.setattr(cluster, "PROGRAMS", ["no-such-slurmctld"])
    assert "no no-such-slurmctld (Debian: apt-get install slurm-wlm munge)" in str(cluster.why_not())
