"""A small synthetic stand-in for the two real archives, in their official layouts and names.

The same pipeline code runs on it in minutes on CPU. The pictures are drawn with whole numbers only and the
containers are stored, not compressed, so one seed gives the same bytes on any machine with the same Pillow
(and the same major NumPy, whose module path the pickles name). Scores on it say nothing about the papers.
"""

import io
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ablate.files import atomic_write

Ints = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

# The first twenty sorted wnids of the real Tiny ImageNet: "the first ten" means the same classes in both.
WORDS = {
    "n01443537": "goldfish, Carassius auratus",
    "n01629819": "European fire salamander, Salamandra salamandra",
    "n01641577": "bullfrog, Rana catesbeiana",
    "n01644900": "tailed frog, bell toad, ribbed toad, tailed toad, Ascaphus trui",
    "n01698640": "American alligator, Alligator mississipiensis",
    "n01742172": "boa constrictor, Constrictor constrictor",
    "n01768244": "trilobite",
    "n01770393": "scorpion",
    "n01774384": "black widow, Latrodectus mactans",
    "n01774750": "tarantula",
    "n01784675": "centipede",
    "n01855672": "goose",
    "n01882714": "koala, koala bear, kangaroo bear, native bear, Phascolarctos cinereus",
    "n01910747": "jellyfish",
    "n01917289": "brain coral",
    "n01944390": "snail",
    "n01945685": "slug",
    "n01950731": "sea slug, nudibranch",
    "n01983481": "American lobster, Northern lobster, Maine lobster, Homarus americanus",
    "n01984695": "spiny lobster, langouste, rock lobster, crawfish, crayfish, sea crawfish",
}
# words.txt names all of WordNet's nouns, not only the classes: a reader must look up, not count lines.
OTHER_WORDS = {
    "n00001740": "entity",
    "n00001930": "physical entity",
    "n00002137": "abstraction, abstract entity",
    "n00462804": "lawn bowling, bowls",
    "n01798052": "Pedioecetes, genus Pedioecetes",
    "n02200630": "gnat",
    "n02985137": "cathode-ray tube, CRT",
    "n03378765": "football",
    "n04976319": "pigmentation",
    "n06823259": "hacek, wedge",
    "n07986198": "trio, triad, triplet, triple",
    "n08973330": "Niger, Republic of Niger",
    "n09428967": "sediment, deposit",
    "n12416703": "saffron, saffron crocus, Crocus sativus",
    "n13751829": "billion, one thousand million, 1000000000",
    "n15014012": "ammonium nitrate",
}
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

SHAPES = ("disc", "square", "triangle", "cross", "ring", "diamond")
TEXTURES = ("rows", "columns", "checks", "dots", "frames")  # none changes its kind under a left-right flip
# RGB, round the colour circle.
HUES = ((220, 60, 50), (230, 140, 40), (210, 200, 60), (110, 190, 60), (50, 170, 120),
        (60, 190, 210), (60, 110, 220), (120, 80, 210), (190, 80, 200))  # fmt: skip
# 1.8 % of the real training JPEGs are grayscale; without one a reader's conversion goes untried.
GREY_EVERY = 50
EPOCH = (2015, 1, 1, 0, 0, 0)


def _inside(shape: str, x: Ints, y: Ints, r: int) -> Mask:
    """Mask of a ``shape`` of half-width ``r`` px; ``x``, ``y`` are pixel offsets from its centre."""
    ax, ay, squared = abs(x), abs(y), x * x + y * y
    masks: dict[str, Mask] = {
        "disc": squared <= r * r,
        "square": np.maximum(ax, ay) * 8 <= 7 * r,
        "triangle": (ay <= r) & (2 * ax <= y + r),
        "cross": (np.minimum(ax, ay) * 3 <= r) & (np.maximum(ax, ay) <= r),
        "ring": (squared <= r * r) & (4 * squared >= r * r),
        "diamond": ax + ay <= r,
    }
    return masks[shape]


def _second(texture: str, x: Ints, y: Ints, width: int) -> Mask:
    """Where the second colour of a ``texture`` goes; ``width`` is that of one stripe in px."""
    u, v = x // width % 2 == 1, y // width % 2 == 1
    frames = np.maximum(abs(x), abs(y)) // width % 2 == 1
    masks: dict[str, Mask] = {"rows": v, "columns": u, "checks": u ^ v, "dots": u & v, "frames": frames}
    return masks[texture]


def _draw(
    rng: Random, shape: str, texture: str, hue: int, side: int, *, easy: bool = False
) -> tuple[Pixels, tuple[int, int, int, int]]:
    """One picture (side, side, 3) uint8 of a class and its object's box (x0, y0, x1, y1), inclusive px.

    Shape and texture make the class and ``hue`` only leans towards it; place, size, contrast, light,
    background, clutter and noise are the nuisances. ``easy``: the object has its hue, and nothing lies about.
    """
    unit = side // 32
    y, x = np.mgrid[:side, :side].astype(np.int32)

    def colour(choice: int, light: int) -> Ints:
        """An RGB triple near a hue, at ``light`` percent."""
        return np.array([(c + rng.randrange(-30, 31)) * light // 100 for c in HUES[choice]], np.int32)

    def paint(shape: str, texture: str, hue: int, r: int, cx: int, cy: int) -> None:
        lights = [rng.randrange(90, 121), rng.randrange(20, 46)]
        rng.shuffle(lights)
        width = rng.randrange(unit + 2, unit + 5)
        phase = rng.randrange(2 * width), rng.randrange(2 * width)
        mask = _inside(shape, x - cx, y - cy, r)
        shift = (0, 0) if texture == "frames" else phase
        second = _second(texture, x - cx + shift[0], y - cy + shift[1], width)
        image[mask & ~second] = colour(hue, lights[0])
        image[mask & second] = colour(hue, lights[1])

    # Half grey, so that the object stands out and its hue is worth something.
    ends = [(colour(rng.randrange(len(HUES)), rng.randrange(40, 90)) + rng.randrange(40, 140)) // 2 for _ in range(2)]
    slope = [rng.randrange(-side, side + 1) for _ in range(2)]
    ramp = np.clip((x * slope[0] + y * slope[1]) // side + side // 2, 0, side - 1)[..., None]
    image = (ends[0] * (side - ramp) + ends[1] * ramp) // side

    for _ in range(0 if easy else rng.randrange(4)):
        kind = rng.choice(SHAPES), rng.choice(TEXTURES), rng.randrange(len(HUES))
        paint(*kind, rng.randrange(3 * unit, 6 * unit), rng.randrange(side), rng.randrange(side))
    r = rng.randrange(9 * unit, 13 * unit)
    cx, cy = (rng.randrange(r * 7 // 8, side - r * 7 // 8) for _ in range(2))
    near = hue if easy else (hue + rng.randrange(2)) % len(HUES) if rng.randrange(3) else rng.randrange(len(HUES))
    paint(shape, texture, near, r, cx, cy)

    image = image * rng.randrange(60, 121) // 100
    noise = np.frombuffer(rng.randbytes(image.size), np.uint8).reshape(image.shape).astype(np.int32)
    image = np.clip(image + noise % 33 - 16, 0, 255)
    box = max(cx - r, 0), max(cy - r, 0), min(cx + r, side - 1), min(cy + r, side - 1)
    return image.astype(np.uint8), box


def write_tiny_imagenet(
    dest: Path, *, seed: int, classes: int, train_per_class: int, val_per_class: int, test: int, easy: int = 0
) -> None:
    """Write ``dest`` (tiny-imagenet-200.zip), whole: 64x64 JPEGs, some grayscale, in the official layout.

    It has ``classes`` (2 to 20) classes, ``train_per_class`` and ``val_per_class`` images of each, and
    ``test`` unlabelled images in all; with ``easy`` (0 or 1), pictures that a few steps of training tell apart. The
    size stays 64 px because AlexNet's strides need it.
    """
    if not 2 <= classes <= len(WORDS):
        raise ValueError(f"classes is {classes}; the embedded data set has 2 to {len(WORDS)}")
    wnids = list(WORDS)[:classes]
    drawn = 0

    with atomic_write(dest) as part, zipfile.ZipFile(part, "w") as out:

        def add(name: str, content: bytes) -> None:
            info = zipfile.ZipInfo(f"tiny-imagenet-200/{name}", EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # else the platform's own
            out.writestr(info, content, zipfile.ZIP_STORED)

        def add_image(name: str, k: int) -> str:
            """Add a picture of class ``k``; returns its box as tab-separated text."""
            nonlocal drawn
            drawn += 1
            # Seeded by name, so that one picture's draws do not shift those of the next.
            rng = Random(f"{seed}/tiny-imagenet/{name}")
            # 5 shapes and 4 textures are coprime: 20 different pairs, and the first 10 show every factor.
            pixels, box = _draw(rng, SHAPES[k % 5], TEXTURES[k % 4], k * 2 % len(HUES), 64, easy=bool(easy))
            image = Image.fromarray(pixels)
            buffer = io.BytesIO()
            (image.convert("L") if drawn % GREY_EVERY == 5 else image).save(buffer, "JPEG", quality=80)
            add(name, buffer.getvalue())
            return "\t".join(map(str, box))

        order = Random(f"{seed}/tiny-imagenet/orders")
        listed = order.sample(wnids, classes)
        if listed == wnids:
            listed.reverse()  # the real list is unsorted: a reader must not take its order for granted
        add("wnids.txt", "".join(f"{wnid}\n" for wnid in listed).encode())
        words = sorted((WORDS | OTHER_WORDS).items())
        add("words.txt", "\n".join(f"{wnid}\t{names}" for wnid, names in words).encode())
        for k, wnid in enumerate(wnids):
            files = [f"{wnid}_{i}.JPEG" for i in range(train_per_class)]
            boxes = [f"{file}\t{add_image(f'train/{wnid}/images/{file}', k)}\n" for file in files]
            add(f"train/{wnid}/{wnid}_boxes.txt", "".join(boxes).encode())
        shown = [k for k in range(classes) for _ in range(val_per_class)]
        order.shuffle(shown)
        rows = [
            f"val_{i}.JPEG\t{wnids[k]}\t{add_image(f'val/images/val_{i}.JPEG', k)}\n" for i, k in enumerate(shown)
        ]
        add("val/val_annotations.txt", "".join(rows).encode())
        for i in range(test):
            add_image(f"test/images/test_{i}.JPEG", order.randrange(classes))


def write_cifar10(dest: Path, *, seed: int, train_per_batch: int, test: int) -> None:
    """Write ``dest`` (cifar-10-python.tar.gz), whole: 32x32 images of ten balanced classes.

    It has five batches of ``train_per_batch`` images and one of ``test``. Each batch
    is a pickled dict with bytes keys; its data is (N, 3072) uint8, channels first.
    """
    names = [name.encode() for name in CIFAR_CLASSES]
    batches: dict[str, dict[bytes, Any]] = {
        "batches.meta": {b"num_cases_per_batch": train_per_batch, b"label_names": names, b"num_vis": 3072}
    }
    sizes = [(f"data_batch_{b}", f"training batch {b} of 5", train_per_batch) for b in range(1, 6)]
    for batch, title, count in [*sizes, ("test_batch", "testing batch 1 of 1", test)]:
        labels = [i % 10 for i in range(count)]
        Random(f"{seed}/cifar-10/{batch}").shuffle(labels)
        data = np.empty((count, 3072), np.uint8)
        for i, k in enumerate(labels):
            rng = Random(f"{seed}/cifar-10/{batch}/{i}")
            # Shifted by one against Tiny ImageNet: shared factors, but partly new pairs.
            pixels, _ = _draw(rng, SHAPES[k % 5 + 1], TEXTURES[k % 4 + 1], (k * 2 + 1) % len(HUES), 32)
            data[i] = pixels.transpose(2, 0, 1).reshape(-1)
        files = [f"{CIFAR_CLASSES[k]}_s_{batch[-1]}{i:05d}.png".encode() for i, k in enumerate(labels)]
        batches[batch] = {
            b"batch_label": title.encode(),
            b"labels": labels,
            b"data": data,
            b"filenames": files,
        }

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in batches.items():
            payload = pickle.dumps(content, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")  # time 0, mode 0644, owner 0
            info.size = len(payload)
            tar.addfile(info, io.BytesIO(payload))
    with atomic_write(dest) as part:
        part.write_bytes(_gzip_stored(archive.getvalue()))


def _gzip_stored(content: bytes) -> bytes:
    """``content`` as gzip of level 0, without a name or time.

    Written out (RFC 1951, 1952), because zlib and zlib-ng cut stored blocks at different places.
    """
    blocks = [content[i : i + 65535] for i in range(0, len(content), 65535)] or [b""]
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    body = [struct.pack("<BHH", i == len(blocks) - 1, len(b), len(b) ^ 0xFFFF) + b for i, b in enumerate(blocks)]
    return head + b"".join(body) + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)
