"""Write an archive's labelled images into class folders, as torchvision's ImageFolder reads them.

Nothing later reads this tree: packs are made from the archive and the same index. It is for the eye and for
other programs.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ablate.data.index import read_index
from ablate.data.layouts import layout
from ablate.errors import UserError
from ablate.files import write_json
from ablate.plan.keys import Key
from ablate.runtime.progress import track


def reorganise(
    archive: Path,
    kind: str,
    *,
    index: Path,
    tree: Path,
    receipt: Path,
    key: Key | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write ``tree``/train/<class>/ and ``tree``/val/<class>/, whole, then ``receipt`` (JSON: counts and ``key``).

    Files keep their bytes; rows of arrays become PNG. ``options`` are those of the layout ``kind``.

    Raises:
        UserError: If the disk is full.
    """
    part = tree.with_name(tree.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    read = layout(kind).contents(archive, **options or {}).read
    items = read_index(index)
    try:
        for folder in {(i.split, i.class_name) for i in items}:
            part.joinpath(*folder).mkdir(parents=True)
        for item in track(items, f"reorganise {archive.parent.name}"):
            target = part / item.split / item.class_name / item.filename
            content = read(item.member)
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                Image.fromarray(content).save(target, "PNG")
        shutil.rmtree(tree, ignore_errors=True)
        part.replace(tree)
    except OSError as error:
        raise UserError(f"cannot write {tree}: {error.strerror or error}; free space or mend the folder") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    folders = len({(i.split, i.class_name) for i in items})
    write_json(receipt, {"images": len(items), "folders": folders, "key": key})
