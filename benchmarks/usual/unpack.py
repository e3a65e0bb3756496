"""Tiny ImageNet's first classes as ImageFolder reads them: python unpack.py ARCHIVE FOLDER CLASSES PER_CLASS."""

import shutil
import sys
import zipfile
from pathlib import Path

archive, folder, classes, per_class = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
with zipfile.ZipFile(archive) as file:
    file.extractall(folder)
root = folder / "tiny-imagenet-200"
chosen = sorted(path.name for path in (root / "train").iterdir())[:classes]
for name in chosen:
    target = folder / "train" / name
    target.mkdir(parents=True)
    for image in sorted((root / "train" / name / "images").iterdir())[:per_class]:
        shutil.move(image, target)
for line in (root / "val" / "val_annotations.txt").read_text().splitlines():
    image, name = line.split("\t")[:2]
    if name in chosen:
        target = folder / "val" / name
        target.mkdir(parents=True, exist_ok=True)
        shutil.move(root / "val" / "images" / image, target)
