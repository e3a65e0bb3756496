"""From params.yaml to runs: what is trained, under which keys, and what is drawn of it."""
