"""`python -m ablate`: the command `ablate` of that Python, wherever its programs lie."""

from ablate.cli import main

main()
