"""The figures of a study, a module for each family of kinds."""

import os

# A notebook names its own backend for all programs that it starts, which need not have it.
os.environ["MPLBACKEND"] = "agg"
