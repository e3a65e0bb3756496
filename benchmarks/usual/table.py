"""Mean and standard deviation of accuracy by learning rate: python table.py FOLDER TABLE."""

import json
import sys
from pathlib import Path

import pandas as pd

runs = pd.DataFrame([json.loads(path.read_text()) for path in sorted(Path(sys.argv[1]).glob("*.json"))])
table = (100 * runs.groupby("lr")["val_top1"].agg(["mean", "std"])).round(2)
Path(sys.argv[2]).write_text(table.to_markdown() + "\n")
