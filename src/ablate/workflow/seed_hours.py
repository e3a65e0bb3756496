"""What arms cost with another number of seeds: hours of a GPU, or of one core."""

from collections.abc import Collection, Mapping

from ablate.plan.cost import Estimate, Machine, arm_of
from ablate.plan.runs import Plan

Arms = Collection[tuple[str, str, str]]  # paper, study, arm


class SeedHours:
    """Of one plan, whatever of it has been trained already."""

    def __init__(self, plan: Plan, seconds: Mapping[str, Estimate], machine: Machine) -> None:
        """``seconds`` of `cost_table.estimates`."""
        self._cores = 1 if machine.gpu else machine.threads
        self._seconds = {arm_of(run): estimate.seconds for run, estimate in seconds.items()}
        self._trained: dict[tuple[str, str, str], set[str]] = {}  # by arm: its training, and that of its weights
        self._once: set[str] = set()  # one training for all seeds
        for p in plan.planned:
            found = self._trained.setdefault((p.paper, p.study, p.arm), set())
            found.add(arm_of(p.run.id))
            if p.run.start:
                found.add(arm_of(p.run.start))
                if not p.run.starts_by_seed:
                    self._once.add(arm_of(p.run.start))

    @property
    def arms(self) -> Arms:
        """All of the plan."""
        return self._trained.keys()

    def of(self, arms: Arms, seeds: int) -> float:
        """Hours for ``arms`` with ``seeds`` each; a training that several of them share counts once."""
        trained = {run for arm in arms for run in self._trained.get(arm, ())}
        took = sum(self._seconds[run] * (1 if run in self._once else seeds) for run in trained)
        return took * self._cores / 3600
