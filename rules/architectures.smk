# Architectures: what the searches found, read off their histories.


# The architecture files of one space and data set, read off the histories. A checkpoint, so that a new stop rule or a
# new search reruns only the trainings whose architecture file changed.
for group in JOBS.searches:

    checkpoint:
        name:
            f"derive_architectures_{group}"
        input:
            settings=JOBS.search_files(group, "settings.json"),
            history=JOBS.search_files(group, "history.csv"),
            curvature=JOBS.search_files(group, "curvature.npz"),
            outcome=JOBS.search_files(group, "outcome.json"),
        output:
            architecture=JOBS.architectures(group),
            gathered=f"{RESULTS}/cells/architectures/{group}.yaml",
        log:
            text=f"{RESULTS}/logs/derive_architectures/{group}.log",
            record=f"{RESULTS}/records/derive_architectures/{group}.json",
        conda:
            "../envs/environment.yaml"
        params:
            job=identity_text("derive_architectures", JOBS.derivation(group)),
        shell:
            command(
                RESULTS,
                "--input settings {input.settings}",
                "--input history {input.history}",
                "--input curvature {input.curvature}",
                "--input outcome {input.outcome}",
                "--output architecture {output.architecture}",
                "--output gathered {output.gathered}",
            )


# All architectures of the study in one file, for people and tools. No rule but figures and the report reads it.
rule gather_architectures:
    input:
        group=expand(
            f"{RESULTS}/cells/architectures/{{group}}.yaml", group=JOBS.searches
        ),
    output:
        architectures=f"{RESULTS}/architectures.yaml",
    log:
        text=f"{RESULTS}/logs/gather_architectures.log",
        record=f"{RESULTS}/records/gather_architectures.json",
    conda:
        "../envs/environment.yaml"
    params:
        job=identity_text("gather_architectures", {}),
    shell:
        command(
            RESULTS,
            "--input group {input.group}",
            "--output architectures {output.architectures}",
        )
