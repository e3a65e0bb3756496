"""A paper's headlines: the few of its claims that it stands for, and why, chosen before results are asked for them.

They stand under ``headlines`` in ``papers/<id>.yaml``. Imports no torch and no pandas.
"""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from ablate.errors import UserError, choose
from ablate.papers.claim import OF_NETWORKS, Claim, Text
from ablate.records import Name, Record

MOST = 3  # of a paper: each more that shares the error of 5 % takes from the others


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise PydanticCustomError("day", "must be a day, as 2026-11-26") from None


class Headlines(Record):
    """Which claims, and since when."""

    chosen: Annotated[date, BeforeValidator(_day)]
    claims: Annotated[dict[Name, Text], Field(min_length=1)]  # by id; one sentence: why the paper stands for it


def check_headlines(headlines: Headlines, claims: Sequence[Claim], where: str) -> None:
    """Refuse what is no claim of ``claims``, and one that no seeds can decide; ``where`` names file and key.

    A claim about weights that have seen the images is a headline where it is the paper's own: its verdict is marked,
    and the clean comparison stands beside it. That comparison itself is none, since the paper does not have it.
    """
    known = {claim.id: claim for claim in claims}
    if len(headlines.claims) > MOST:
        raise UserError(f"{where}.claims: has {len(headlines.claims)}; keep at most {MOST}")
    for id in headlines.claims:
        place = f"{where}.claims.{id}"
        if id not in known:
            raise choose(place, id, known, "claim")
        if known[id].metric in OF_NETWORKS:
            raise UserError(f"{place}: counts networks, which no run decides; choose a claim about runs")
        if known[id].needs.absolute:
            raise UserError(
                f"{place}: its number belongs to the paper's own protocol and can be compared at no other; choose a "
                "claim about a difference"
            )
        if own := next((claim.id for claim in claims if claim.clean == id), None):
            raise UserError(f"{place}: compares clean weights, which the paper does not have; choose {own}")
