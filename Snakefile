# The workflow is the package's (`ablate.rules`); what is studied stands in params.yaml. Rules of your own may follow.
from ablate.rules import SNAKEFILE


module ablate:
    snakefile:
        SNAKEFILE
    config:
        config


use rule * from ablate


# Of a module's handlers Snakemake calls none by itself: jobs that share their imports, and the screen at the end.
onstart:
    ablate.onstart()


onsuccess:
    ablate.onsuccess()
