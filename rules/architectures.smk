# Architectures: what the searches found, read off their histories.


# The architecture files of one space and data set, one for each search and method.
for group in JOBS.searches:

    rule:
        name:
            f"derive_architectures_{group}"
        input:
            settings=JOBS.search_files(group, "settings.json"),
            history=JOBS.search_files(group, "history.csv"),
            curvature=JOBS.search_files(group, "curvature.npz"),
            outcome=JOBS.search_files(group, "outcome.json"),
        output:
            architecture=JOBS.architectures(group),
        log:
            f"{RESULTS}/logs/derive_architectures_{group}.log",
        conda:
            "../envs/environment.yaml"
        params:
            job=job_identity(
                f"derive_architectures_{group}",
                "derive_architectures",
                JOBS.derivation(group),
                JOBS.method_modules(group),
            ),
            files=named_files(),
        shell:
            rule_command(RESULTS)


# A checkpoint: trainings are looked at again after it, so that a new stop rule or a new search reruns only those whose
# architecture file changed.
checkpoint group_architectures:
    input:
        part=lambda w: JOBS.architectures(w.group),
    output:
        architectures=f"{RESULTS}/cells/architectures/{{group}}.yaml",
    log:
        f"{RESULTS}/logs/group_architectures/{{group}}.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: job_identity(
            f"group_architectures/{w.group}", "gather_architectures", {}
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS)


# All architectures of the study in one file, for people and tools. No rule but figures and the report reads it.
rule gather_architectures:
    input:
        part=expand(
            f"{RESULTS}/cells/architectures/{{group}}.yaml", group=JOBS.searches
        ),
        selected=JOBS.selected(),
    output:
        architectures=f"{RESULTS}/architectures.yaml",
    log:
        f"{RESULTS}/logs/gather_architectures.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=job_identity("gather_architectures", "gather_architectures", {}),
        files=named_files(together={"selected": "part"}),
    shell:
        rule_command(RESULTS)
