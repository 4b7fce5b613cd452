# Cell search: one folder per search, and the training of found architectures from scratch.


# One search (DARTS), with its history and curvature. Never reads a test image.
rule cell_search:
    input:
        data=lambda w: checkpoints.fetch_data.get(
            data_set=JOBS.data_sets[w.group]
        ).output.data,
    output:
        settings=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/settings.json",
        history=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/history.csv",
        curvature=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/curvature.npz",
        alphas=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/alphas.npz",
        outcome=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/outcome.json",
    log:
        f"{RESULTS}/logs/cell_search/{{group}}/{{search}}/{{run}}.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: identity_text("cell_search", JOBS.search(w.group, w.run)),
    shell:
        command(
            RESULTS,
            "--input data {input.data}",
            "--output settings {output.settings}",
            "--output history {output.history}",
            "--output curvature {output.curvature}",
            "--output alphas {output.alphas}",
            "--output outcome {output.outcome}",
        )


# One training of one architecture from scratch; the only rule that reads test images.
rule evaluate_genotype:
    input:
        data=lambda w: checkpoints.fetch_data.get(
            data_set=JOBS.data_sets[w.group]
        ).output.data,
        architecture=lambda w: JOBS.architecture(w, checkpoints),
    output:
        history=f"{RESULTS}/cells/evaluations/{{group}}/{{method}}/{{run}}/seed-{{seed}}/history.csv",
        outcome=f"{RESULTS}/cells/evaluations/{{group}}/{{method}}/{{run}}/seed-{{seed}}/outcome.json",
    log:
        f"{RESULTS}/logs/evaluate_genotype/{{group}}/{{method}}/{{run}}/seed-{{seed}}.log",
    conda:
        "../envs/environment.yaml"
    params:
        job=lambda w: identity_text(
            "evaluate_genotype", JOBS.evaluation(w.group, w.seed)
        ),
    shell:
        command(
            RESULTS,
            "--input data {input.data}",
            "--input architecture {input.architecture}",
            "--output history {output.history}",
            "--output outcome {output.outcome}",
        )
