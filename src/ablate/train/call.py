"""Call the function of an own trainer in a process of its own: python -m ablate.train.call FILE.py:NAME KEY.

It gets (settings, seed, out), and what it returns, if that is a mapping, is written as metrics.json. KEY is what
messages name.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ablate.errors import UserError
from ablate.own_code import calling, load


def main() -> None:
    """Of the environment that `own.py` makes."""
    reference, where = sys.argv[1:]
    settings = json.loads(Path(os.environ["ABLATE_SETTINGS"]).read_text(encoding="utf-8"))
    out = Path(os.environ["ABLATE_OUT"])
    try:
        function = load(reference, where)
        with calling(reference, where, function):
            found = function(settings, int(os.environ["ABLATE_SEED"]), out)
            if isinstance(found, Mapping):
                (out / "metrics.json").write_text(json.dumps(dict(found), default=float), encoding="utf-8")
    except UserError as error:
        sys.exit(f"ablate: error: {error}")


if __name__ == "__main__":
    main()
