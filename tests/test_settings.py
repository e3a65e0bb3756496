"""Combinations of settings that cannot be are refused, all others are not."""

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from ablate.plan.settings import check_settings
from recipes import Recipe, recipes

BAD: dict[str, dict[str, Any]] = {  # key to blame, and anything after it to tell cases apart
    "momentum": {"optimizer": "adam", "momentum": 0.9},
    "momentum of adamw": {"optimizer": "adamw", "momentum": 0.9},
    "nesterov without momentum": {"nesterov": True},
    "nesterov of rmsprop": {"optimizer": "rmsprop", "momentum": 0.9, "nesterov": True},
    "schedule step": {"schedule": "step", "gamma": 0.1},
    "schedule multi-step": {"schedule": "multi-step", "milestones": (3,)},
    "schedule plateau": {"schedule": "plateau", "gamma": 0.1},
    "step_epochs of multi-step": {"schedule": "multi-step", "milestones": (3,), "gamma": 0.1, "step_epochs": 3},
    "gamma of cosine": {"schedule": "cosine", "gamma": 0.1},
    "milestones of step": {"schedule": "step", "step_epochs": 3, "gamma": 0.1, "milestones": (3,)},
    "patience of one-cycle": {"schedule": "one-cycle", "patience": 3},
    "milestones that fall": {"schedule": "multi-step", "milestones": (4, 2), "gamma": 0.1},
    "milestones twice": {"schedule": "multi-step", "milestones": (2, 2), "gamma": 0.1},
    "milestones at 0": {"schedule": "multi-step", "milestones": (0, 2), "gamma": 0.1},
    "milestones of none": {"schedule": "multi-step", "milestones": (), "gamma": 0.1},
    "gamma of no effect": {"schedule": "plateau", "gamma": 1.0, "patience": 3},
    "warmup_epochs of one-cycle": {"schedule": "one-cycle", "warmup_epochs": 1},
    "warmup_epochs for ever": {"warmup_epochs": 6},
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_settings_are_refused_with_key_and_remedy(case: str) -> None:
    message = check_settings(Recipe(**BAD[case]))
    assert message is not None
    key, said = message.split(": ", 1)
    assert key == case.split()[0] and key in {f.name for f in fields(Recipe)}
    assert "; " in said and "error, " not in message and "\n" not in message  # config splits at "error, "


@pytest.mark.parametrize("s", recipes())
def test_possible_settings_are_not(s: Recipe) -> None:
    assert check_settings(s) is None


def test_the_rules_import_no_torch() -> None:
    code = "import sys, ablate.plan.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
