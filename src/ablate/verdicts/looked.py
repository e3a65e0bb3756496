"""Which looks a board has had: results judged again and again as runs come in are more than one chance to err."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ablate.files import write_json
from ablate.plurals import plural
from ablate.seals import read_sealed, sealed
from ablate.stored import Number, Stored, shaped
from ablate.verdicts.assess import Judged

LOOKED = "looked.json"
AGAIN = "delete it, and the board no longer knows that it was looked at before"


class Look(Stored):
    """What one look had seen."""

    runs: Number  # with a say in a claim that was tested
    claims: Number  # that were tested
    digest: str  # of these runs


class Looked(Stored):
    """looked.json in results/<scale>: every look, the first one first."""

    looks: list[Look]


def look_again(every: Sequence[Judged], folder: Path) -> str:
    """Note this look in ``folder``, results/<scale>, if it is another than the last, and say which there were before.

    Raises:
        UserError: For a looked.json that is not as it was written.
    """
    tested = [j for j in every if j.by_test.share is not None]
    runs = sorted({run for j in tested for run in j.found.runs})
    file = folder / LOOKED
    before = shaped(read_sealed(file, AGAIN), Looked, file).looks if file.exists() else []
    if tested:
        now = Look(
            runs=len(runs), claims=len(tested), digest=hashlib.sha256("\n".join(runs).encode()).hexdigest()[:16]
        )
        if not before or before[-1].digest != now.digest:
            before = [*before, now]
            write_json(file, sealed(Looked(looks=before).model_dump(mode="json")))
    earlier = [look.runs for look in before[:-1]]
    if not earlier:
        return ""
    after = f"{' and '.join(map(str, earlier))} {plural('run', earlier[-1])}"
    return f"Looked at before, with {after}: 5 % is the error of one look, not of all of them."
