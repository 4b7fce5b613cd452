# Architectures: what the searches found, read off their histories.


# The architecture files of one space and data set, one for each search and method. Snakemake wants the outputs of a
# rule written out, and how many there are depends on the group: so each group has a rule.
for group in PLAN.runs.searches:

    rule:
        name:
            f"derive_architectures_{group}"
        input:
            settings=PLAN.job("derive_architectures", group=group).inputs["settings"],
            history=PLAN.job("derive_architectures", group=group).inputs["history"],
            curvature=PLAN.job("derive_architectures", group=group).inputs["curvature"],
            outcome=PLAN.job("derive_architectures", group=group).inputs["outcome"],
            alphas=PLAN.job("derive_architectures", group=group).inputs["alphas"],
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
        architecture=PLACES.output("given_architecture", "architecture"),
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
        part=PLAN.inputs("group_architectures", "part"),
    output:
        architectures=PLACES.output("group_architectures", "architectures"),
    log:
        PLACES.log("group_architectures"),
    conda:
        "../envs/environment.yaml"
    params:
        **job_params("group_architectures"),
    shell:
        rule_command(RESULTS)


# All architectures of the study in one file, for people and tools. No rule but figures and the report reads it.
use rule given_architecture as gather_architectures with:
    input:
        part=PLAN.inputs("gather_architectures", "part"),
    output:
        architectures=PLACES.output("gather_architectures", "architectures"),
    log:
        PLACES.log("gather_architectures"),
    params:
        **job_params("gather_architectures"),
