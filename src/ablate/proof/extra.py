"""Libraries that only exports need: imported where they are used, and named where they are not there."""

import importlib
from typing import Any

from ablate.errors import UserError


def need(name: str) -> Any:
    """The module of an optional library.

    Raises:
        UserError: If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{error.name} is not installed, which exports need; say pip install 'ablate[export]'"
        ) from None
