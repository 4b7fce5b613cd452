# Data sets, shared by all studies. What needs the network runs where Snakemake itself runs, because the nodes of a
# cluster often have none. Verified source files stay in data/sources/.


# A data set in its prepared form. A checkpoint, so that preparing it anew reruns what follows only when its bytes
# changed.


checkpoint fetch_data:
    output:
        data=PLACES.output("fetch_data", "data"),
    log:
        PLACES.log("fetch_data"),
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("fetch_data"),
    shell:
        rule_command(DATA_ROOT, access_option(PLAN.access()))


# The published search logs of one space and data set, each search in the form of our own; a rule for each group, as for
# its architectures.
for group in filter(PLAN.runs.is_published, PLAN.runs.searches):

    rule:
        name:
            f"{PLAN.import_kind(group)}_{group}"
        output:
            **PLAN.job(PLAN.import_kind(group), group=group).outputs,
        log:
            PLAN.job(PLAN.import_kind(group), group=group).log,
        localrule: True
        conda:
            "../envs/environment.yaml"
        params:
            **job_params(PLAN.import_kind(group), group=group),
        shell:
            rule_command(RESULTS, access_option(PLAN.access()))
