"""What is fabricated for the calibration: cells of one noise, one number of seeds and one choice of effects."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np
from calibrating.board import MIXED, SHARED, VALUES, Array, Board
from calibrating.runs import Noise, Scatter

SEEDS = (3, 5, 9, 12)
AT_THE_MARGIN = (0.0, 1.0)  # half of a paper's claims have the one effect, half the other
FINE = (-1.0, 0.0, 0.2, 0.5, 0.8, 1.0, 2.0)
POWER = 4.0  # margins: 8 points
GROWING = (3, 5, 9, 12, 20, 40, 80, 160)  # seeds
BELOW = -0.5  # margins: survivors of the arm that diverges lie one point above the others
EQUAL_ANSWERS = 1.826  # points: sd of one run's accuracy on 500 images of hard = 1 at 50 %, for chance alone


@dataclass(frozen=True, eq=False)
class Cell:
    """Papers of one kind. With ``drawn`` each claim's effect is one of ``planted``; else each has an equal share."""

    name: str
    noise: Noise
    seeds: int
    planted: tuple[float, ...] = AT_THE_MARGIN
    drawn: bool = False
    board: Board = field(default=MIXED, repr=False)
    protocol: str = "the paper's"
    looks: tuple[int, ...] = ()
    promised: bool = True  # that no more than 5 % of its papers have a false verdict

    @property
    def every(self) -> int:
        """It has one paper where other cells have so many, since its papers take long."""
        return 4 if self.seeds > 20 else 2 if self.looks else 1

    def rng(self, paper: int) -> np.random.Generator:
        """The same paper whatever else is fabricated."""
        return np.random.default_rng([crc32(self.name.encode()), self.seeds, paper])

    def effects(self, rng: np.random.Generator) -> Array:
        """(8,) in margins; those of no difference on either side of it."""
        count = len(self.board.claims)
        if self.drawn:
            effects = rng.choice(self.planted, count)
        else:
            effects = rng.permutation(np.resize(np.array(self.planted), count))
        if self.noise.diverges:
            against = [SHARED in self.board.compared(i) for i in range(count)]
            effects = np.where(against, BELOW, effects)
        return np.where(self.board.same, effects * rng.choice([-1.0, 1.0], count), effects)


def noises(sd: float, sds: Array) -> dict[str, Noise]:
    """By name. ``sd`` (points) is pooled over measured arms, with what their answers vary by chance; ``sds`` each."""
    seeds = float(_beyond_answers(np.array([sd]))[0])

    def normal(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        return seeds * rng.standard_normal(size)

    def unequal(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        return _beyond_answers(rng.choice(sds, (size[0], 1))) * rng.standard_normal(size)

    def heavy(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        return seeds * rng.standard_t(3, size) / np.sqrt(3)

    def skewed(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        return seeds * (1 - rng.exponential(size=size))

    def one_skewed(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        found = normal(rng, size)
        found[0] = skewed(rng, (1, size[1]))[0]
        return found

    def one_very_skewed(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        found = rng.standard_normal(size)
        found[0] = 3 * (0.5 - rng.gamma(0.5, size=size[1])) / np.sqrt(0.5)
        return found

    def none(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        return np.zeros(size)

    plain: dict[str, Scatter] = {
        "normal": normal, "unequal": unequal, "heavy-tailed": heavy, "skewed": skewed, "one skewed": one_skewed,
        "one very skewed": one_very_skewed,
    }  # fmt: skip
    base = Noise(normal)
    return {
        **{name: Noise(scatter) for name, scatter in plain.items()},
        "discrete": Noise(none, hard=0.0),
        "discrete on 100 images": Noise(none, images=100, hard=0.0),
        "ties": Noise(none, chance=0.0),
        "10 % fail": replace(base, fails=0.1),
        "30 % fail": replace(base, fails=0.3),
        "40 % diverge": replace(base, diverges=0.4),
        "2 % missing": replace(base, missing=0.02),
        "at chance": replace(base, fails=1.0),
        "shared images": replace(base, hard=2.0),
    }  # fmt: skip


def _beyond_answers(sds: Array) -> Array:
    return np.sqrt(np.maximum(0.0, sds**2 - EQUAL_ANSWERS**2))


def cells(noise: dict[str, Noise], looks: tuple[int, ...]) -> Iterator[Cell]:
    """All but those of `growing`."""
    apart = ("at chance", "shared images", "one very skewed")
    for name in noise:
        if name not in apart:
            yield from (Cell(name, noise[name], n) for n in SEEDS)
    # Of a zero both directions can be said by mistake, of the margin one: this is where the 5 % are used up.
    yield from (Cell("all at zero", noise["normal"], n, (0.0,)) for n in SEEDS)
    yield from (Cell("one very skewed", noise["one very skewed"], n, promised=False) for n in SEEDS)
    yield from (Cell("shared images", noise["shared images"], n, board=VALUES) for n in (3, 20))
    yield from (Cell("power", noise["normal"], n, (POWER,)) for n in (3, 5))
    yield Cell("power near", noise["normal"], 5, (POWER,), protocol="near")
    yield Cell("power reduced", noise["normal"], 5, (POWER,), protocol="reduced")
    yield from (Cell("at chance", noise["at chance"], n, (POWER,)) for n in (3, 12))
    for name in ("normal", "heavy-tailed", "10 % fail"):
        yield Cell(f"looks: {name}", noise[name], looks[-1], looks=looks)
    yield Cell("looks: power", noise["normal"], looks[-1], (0.0, 2.0), looks=looks)


def growing(noise: dict[str, Noise]) -> Iterator[Cell]:
    """Fine effects, and ever more seeds."""
    yield from (Cell("growing", noise["normal"], n, FINE, drawn=True) for n in GROWING)
