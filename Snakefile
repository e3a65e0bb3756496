# The table of contents: from the archives to the report. Values come from params.yaml, by way of src/ablate.
from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/texts.smk"
include: "workflow/rules/decide.smk"


# On a cluster these run where Snakemake was started, as `look` and `decide` do; verify, pretrain and train are its jobs.
localrules:
    embed,
    fetch,
    imagenet,
    reorganise,
    pack,
    describe,
    plan,
    collect,
    summarise,
    compare,
    comparison,
    claims,
    power,
    report,


# The screen at the end of `all`: not of a part of it, of a job's own Snakemake on a cluster, or where files were touched.
onsuccess:
    asked = {rule.name for rule in workflow.dag.targetrules}
    if (
        workflow.is_main_process
        and not workflow.touch
        and "all" in asked
        and not workflow.dag_settings.until
    ):
        show_outcome(CALL.end)


rule all:
    default_target: True
    input:
        rules.packs.input,
        TREES,
        SUMMARY,
        rules.report.output,
