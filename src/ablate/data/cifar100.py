"""CIFAR-100's python archive: train, test and meta, each a pickle, with fine labels (100) and coarse ones (20).

Read as `cifar10` reads pickles: nothing in them is run. Source: https://www.cs.toronto.edu/~kriz/cifar.html
"""

from functools import partial
from pathlib import Path

from ablate.data.cifar10 import class_names, contents_of, files_of, python_batch, unpickle
from ablate.data.containers import Members, refuse
from ablate.data.layouts import Contents
from ablate.data.rows import resized

TRAIN, TEST, META = "train", "test", "meta"  # test has labels: our val
KINDS = ("fine", "coarse")


def contents(source: Path | Members, *, labels: str = "fine", resize: int | None = None) -> Contents:
    """List an archive, or files that lie open; ``labels`` are fine or coarse.

    Raises:
        UserError: It names what is damaged, missing or out of range.
    """
    archive, files = files_of(source, {TRAIN, TEST, META})
    if labels not in KINDS:
        raise refuse(archive, f"labels: CIFAR-100 has none called {labels!r}", f"write {' or '.join(KINDS)}")
    found = unpickle(archive, *files.pop(META)).get(f"{labels}_label_names")
    batch = partial(python_batch, archive, labelled=f"{labels}_labels")
    batches = {name: batch(*file) for name, file in files.items()}
    return resized(contents_of(archive, batches, class_names(archive, META, found), val=TEST), resize)
