"""What a result depends on, as digests: its key. Why a job would run follows from keys, and from no file's time.

Whoever makes a result writes its key into the record that lies beside it: a run's manifest.json, a data set's
receipts. The result is good as long as that is the key of what is asked for, wherever the files were copied from.
Imports no torch, since the Snakefile asks for every run.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import digest, read_json
from ablate.plan.code import code_digest, with_own
from ablate.plan.params import Dataset
from ablate.plan.runs import Run
from ablate.seals import check_file, manifest_of, read_sealed, sha256_of

Key = dict[str, str | None]
FILES = ["metrics.json", "run.json", "history.csv", "predictions.csv", "filters.npy", "manifest.json"]  # of a run
WEIGHTS = "weights.safetensors"  # of a pretraining run: may be deleted, and is made again where they are wanted
RECEIPTS = {"fetch": "archive.json", "verify": "verify.json", "pack": "pack.json", "reorganise": "tree.json"}
VERIFIED = ("images.npy", "index.csv", "duplicates.csv")  # what `verify` makes beside its report
# Of a pack, what training follows from; names of classes choose them.
TRAINED_ON = ("sha256", "classes", "train", "image_size", "mean", "std_over_pixels", "std_over_images")
UNKNOWN = "unknown"  # a part that no file here tells, so that it is no reason to run
NEW = "new"


def key_digest(key: Any) -> str:
    """One digest for a key, or for anything else that JSON can hold."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def run_key(run: Run, data: str, start: str | None) -> Key:
    """Of a run on a pack with content digest ``data``, from the weights that ``start`` stands for."""
    s = run.settings
    code = with_own(code_digest("train", s.model), [s.augment, s.model])
    return {"run": run.id, "data": data, "start": start, "code": code}


def start_key(run: Run, weights: Path | None) -> str | None:
    """What stands for the weights that a run starts from: the key of the run that trained them, or a file's bytes.

    None for torchvision's, which are what their name says.

    Raises:
        UserError: If the file is not as it was written.
    """
    if weights is None:
        return None
    if run.settings.weights == "imagenet":
        again = f"delete {weights} and fetch it again"
        if sha256_of(weights) != read_sealed(weights.with_suffix(".json"), again).get("weights"):
            raise UserError(f"{weights}: is not as it was fetched; {again}")
        return None
    if run.start and weights.with_name("manifest.json").exists():
        manifest = manifest_of(weights.parent, run.start)
        check_file(weights, manifest, weights.parent)
        return key_digest(manifest["key"])
    return digest(weights)


def content_digest(meta: dict[str, Any]) -> str:
    """One digest for all of a pack that training follows from, whatever archive it came from."""
    return key_digest({name: meta[name] for name in TRAINED_ON})


def source_digest(spec: Dataset) -> str | None:
    """What an archive follows from besides its digests: one's own path, or the generator's arguments."""
    own = spec.path if spec.variant == "official" else spec.generator
    return key_digest(own) if own else None


def content(spec: Dataset) -> str:
    """The part of a data set's record that says what must be in it, as JSON; where it comes from is left out."""
    return spec.model_dump_json(exclude={"urls", "digests", "path", "tree", "pinned"}, exclude_defaults=True)


def verify_key(spec: Dataset, receipt: dict[str, Any]) -> Key:
    """Of what `verify` makes of the archive that ``receipt`` names."""
    return {"archive": receipt["sha256"], "spec": key_digest(content(spec)), "code": code_digest("verify")}


def derived_key(step: str, report: dict[str, Any]) -> Key:
    """Of what `pack` or `reorganise` makes of what `verify` checked and wrote into ``report``."""
    return {"verify": key_digest(report.get("key")), "code": code_digest(step)}


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is no such file, or no object in it."""
    try:
        found = read_json(path)
    except UserError:
        return None
    return found if isinstance(found, dict) else None
