"""What the seeds of an arm have in common that could have been drawn anew for each of them.

Their spread then says nothing of it, and a statement about seeds holds for this one draw.
"""

from collections.abc import Collection

from ablate.plan.arms import OF_RUN
from ablate.plan.record import PlannedRun
from ablate.plan.starts import stated_seed
from ablate.plan.trainers import OwnSettings
from ablate.plurals import many


def shared_factors(planned: Collection[PlannedRun]) -> tuple[str, ...]:
    """Of the arms in ``planned``, in words that follow "all seeds share": each once, none where there is one seed.

    Not among them: what is the whole of something, such as all training images, or a download, such as ImageNet's
    weights, of which there is but one.
    """
    if len({p.seed for p in planned}) < 2:
        return ()
    return tuple(dict.fromkeys(factor for p in planned for factor in _fixed(p)))


def _fixed(p: PlannedRun) -> list[str]:
    s, factors = p.settings, list[str]()
    if isinstance(s, OwnSettings):
        return factors
    if s.split == "holdout":
        factors.append("one split")
    if s.subset == "first" and s.per_class and s.per_class < p.trainable:
        factors.append(f"the same {many(s.per_class, 'training image')} per class")
    if s.labels == "shuffled":
        factors.append("one shuffle of the labels")
    if s.pretraining == "shared" and s.weights.startswith("pretrain:"):
        factors.append("one pretraining run")
    if s.weights.startswith(OF_RUN) and stated_seed(s.weights) is not None:
        factors.append("one run whose weights they start from")
    return factors
