"""The workflow's rules, with the captions of its report and the profiles; and the folder of a new study."""

from pathlib import Path

FOLDER = Path(__file__).parent
SNAKEFILE = str(FOLDER / "Snakefile")  # for `module` of another Snakefile
STUDY = FOLDER / "study"  # what `ablate init` makes a folder of
