"""Images of a pack, as they are and augmented: no run has a part in them."""

import numpy as np

from ablate.data.views import Pack
from ablate.errors import UserError, choose
from ablate.figures.common import Drawn, RunFiles, panels, wrapped
from ablate.figures.images import GAP, TITLE, Images, mosaic, show
from ablate.figures.style import WIDE
from ablate.own_code import is_own
from ablate.plan.kinds import samples_of
from ablate.plan.names import class_names
from ablate.plurals import many
from ablate.results.captions import said
from ablate.results.study import StudyResults

ACROSS = 8  # images side by side
CLASSES = 10  # of the plain grid


def samples(results: StudyResults, places: RunFiles, argument: str = "") -> Drawn:
    """Training images of classes, a panel each.

    ``argument`` is CLASS+CLASS or CLASS+CLASS:COUNT, each one of a class's names in words, and how many images of it;
    where no such class is in the pack, or no run of the study has it, the panel says so. Without: classes and images
    that the study trains on.

    Raises:
        UserError: For a name of two classes.
    """
    settings = results.settings(results.arms[0])
    pack = places.pack(settings.dataset)
    asked, count = samples_of(argument)
    if asked:
        chosen = _named(pack, asked)
        rows, labels = np.arange(pack.meta["train"]), pack.labels[: pack.meta["train"]]
    else:
        classes = pack.chosen(settings)
        spread = np.linspace(0, len(classes) - 1, min(CLASSES, len(classes))).round().astype(int)
        names = class_names(pack.meta, classes)
        chosen = {names[i]: classes[i] for i in spread}
        rows = pack.views(settings, results.planned[0].seed)["train"].positions
        labels = pack.labels[rows]
    most = count or ACROSS * (2 if len(chosen) <= 2 else 1)
    across = min(most, ACROSS)
    shown = {}
    for title, number in chosen.items():
        mine = rows[labels == number]
        spread = np.linspace(0, len(mine) - 1, min(most, len(mine))).round().astype(int)
        shown[title + _absent(results, pack, number)] = pack.images[mine[spread]]
    large = min(len(shown), ACROSS // across)  # side by side where that makes no image small
    columns = large if asked else 2
    titles = [wrapped(title, 0.95 * WIDE / columns, size=8) for title in shown]
    high = WIDE / columns / across * -(-most // across)
    room = TITLE * (1.5 + max(title.count("\n") for title in titles))
    height = -(-len(shown) // columns) * (high + room)
    figure, axes = panels(-(-len(shown) // columns), columns, WIDE, height, space=0.03)
    for axis in axes:
        axis.set_axis_off()
    for axis, title, images in zip(axes, titles, shown.values(), strict=False):
        show(axis, mosaic(images, across))
        axis.set_title(title, loc="left")
    return Drawn(figure, "Training images of these classes, at equal steps.", facts=_facts(settings.dataset, pack))


def _facts(dataset: str, pack: Pack) -> dict[str, str]:
    """What a figure shows that no run has a part in."""
    return {"data": f"{dataset} ({said(pack.meta['archive']['digest'])})", "split": "training"}


def _absent(results: StudyResults, pack: Pack, number: int) -> str:
    """What to say of a class that no run of the study is trained on."""
    trained = {label for arm in results.arms for label in pack.chosen(results.settings(arm))}
    if number in trained:
        return ""
    return f" (not among the {many(len(trained), 'class')} of the runs at the scale {results.scale})"


def _named(pack: Pack, names: list[str]) -> dict[str, int]:
    """{panel's title: label} of each name, another class where there is none of that name."""
    known: dict[str, set[int]] = {}
    for number, words in enumerate(pack.meta["words"]):
        for word in words.split(","):
            known.setdefault(word.strip().lower(), set()).add(number)
    found: dict[str, int | None] = {}
    for name in names:
        classes = known.get(name.strip().lower(), set())
        if len(classes) > 1:
            every = "; ".join(str(pack.meta["words"][number]) for number in sorted(classes))
            raise UserError(
                f"samples: {name!r} is a name of {many(len(classes), 'class')} ({every}); write another of theirs"
            )
        found[name] = next(iter(classes), None)
    others = iter(n for n in range(len(pack.meta["words"])) if n not in found.values())
    chosen = {}
    for name, there in found.items():
        if there is not None:
            chosen[name] = there
        else:
            other = next(others, 0)
            chosen[f"no {name} in this data; instead: {_word(pack, other)}"] = other
    return chosen


def _word(pack: Pack, number: int) -> str:
    return str(pack.meta["words"][number].split(",")[0])


def augmented(results: StudyResults, places: RunFiles, argument: str = "") -> Drawn:
    """Three images, each beside seven draws of the augmentation ``argument``, a level of `Settings.augment`.

    The draws are the same every time.

    Raises:
        UserError: For a level that there is not.
    """
    import torch  # here and not above: it takes a second

    from ablate.train.augment import AUGMENTS
    from ablate.train.own_augment import augmentation

    if argument not in AUGMENTS and not is_own(argument):
        raise choose("augmented", argument, AUGMENTS, "augmentation")
    augment = augmentation(argument)
    settings = results.settings(results.arms[0])
    pack = places.pack(settings.dataset)
    train = pack.views(settings, results.planned[0].seed)["train"]
    picked = train.positions[np.linspace(0, len(train.positions) - 1, 5).round().astype(int)[1:4]]
    figure, (axis,) = panels(1, 1, WIDE, WIDE / ACROSS * len(picked) + 0.3)
    generator = torch.Generator().manual_seed(0)
    tiles: list[Images] = []
    for image in pack.images[picked]:
        batch = torch.from_numpy(image).permute(2, 0, 1).float().div(255).repeat(ACROSS - 1, 1, 1, 1)
        drawn = augment(batch, generator).clamp(0, 1).mul(255).round().byte()
        tiles += [image, *drawn.permute(0, 2, 3, 1).numpy()]
    show(axis, mosaic(tiles, ACROSS))
    side = tiles[0].shape[0]
    axis.set_xticks([(side + GAP) * i + side / 2 for i in range(ACROSS)], ["original", *map(str, range(1, ACROSS))])
    what = f"Training images, each beside seven draws of the augmentation {argument}, the same at every rendering."
    return Drawn(figure, what, facts=_facts(settings.dataset, pack))
