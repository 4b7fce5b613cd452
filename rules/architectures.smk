# Architectures: what the searches found, read off their histories.


# The architecture files of one space and data set, one for each search and method. Snakemake wants the outputs of a
# rule written out, and how many there are depends on the group: so each group has a rule.
for group in PLAN.runs.searches:

    rule:
        name:
            f"derive_architectures_{group}"
        input:
            settings=PLAN.search_files(group)["settings"],
            history=PLAN.search_files(group)["history"],
            curvature=PLAN.search_files(group)["curvature"],
            outcome=PLAN.search_files(group)["outcome"],
        output:
            architecture=PLAN.job("derive_architectures", group=group).outputs["architecture"],
        log:
            PLAN.job("derive_architectures", group=group).log,
        conda:
            "../envs/environment.yaml"
        params:
            **job_params("derive_architectures", group=group),
        shell:
            rule_command(RESULTS)


# An architecture that the study holds as text. One job each, so that one more makes nothing else anew.
rule given_architecture:
    output:
        architecture=PLACES.given_architecture(),
    log:
        PLACES.log("given_architecture"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("given_architecture"),
    shell:
        rule_command(RESULTS)


# A checkpoint: trainings are looked at again after it, so that a new stop rule or a new search reruns only those whose
# architecture file changed.
checkpoint group_architectures:
    input:
        part=PLAN.inputs_of("group_architectures", "part"),
    output:
        architectures=PLACES.architectures(),
    log:
        PLACES.log("group_architectures"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("group_architectures"),
    shell:
        rule_command(RESULTS)


# All architectures of the study in one file, for people and tools. No rule but figures and the report reads it.
rule gather_architectures:
    input:
        part=PLAN.inputs_of("gather_architectures", "part"),
    output:
        architectures=PLACES.all_architectures(),
    log:
        PLACES.log("gather_architectures"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("gather_architectures"),
    shell:
        rule_command(RESULTS)
