# Cell search: one folder per search, and the training of found architectures from scratch. Only the last rule reads
# test images.


# One search: DARTS, or DARTS-ADA with its rollbacks.
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
        discarded=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/discarded.csv",
        outcome=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/outcome.json",
    log:
        f"{RESULTS}/logs/cell_search/{{group}}/{{search}}/{{run}}.log",
    wildcard_constraints:
        search="darts|darts_ada",
    conda:
        "../envs/environment.yaml"
    resources:
        **JOBS.resources("cell_search"),
    params:
        job=lambda w: job_identity(
            f"cell_search/{w.group}/{w.search}/{w.run}", "cell_search", JOBS.search(w)
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS, gpu=True)


# One random search with weight sharing, in the form of every search.
rule random_search:
    input:
        data=lambda w: checkpoints.fetch_data.get(
            data_set=JOBS.data_sets[w.group]
        ).output.data,
    output:
        settings=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/settings.json",
        history=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/history.csv",
        curvature=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/curvature.npz",
        samples=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/samples.csv",
        outcome=f"{RESULTS}/cells/searches/{{group}}/{{search}}/{{run}}/outcome.json",
    log:
        f"{RESULTS}/logs/random_search/{{group}}/{{search}}/{{run}}.log",
    wildcard_constraints:
        search="random_ws",
    conda:
        "../envs/environment.yaml"
    resources:
        **JOBS.resources("random_search"),
    params:
        job=lambda w: job_identity(
            f"random_search/{w.group}/{w.search}/{w.run}",
            "random_search",
            JOBS.search(w),
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS, gpu=True)


# R-DARTS: of the architectures of one seed, the one best after a brief training, judged on validation images.
rule select_architecture:
    input:
        data=lambda w: checkpoints.fetch_data.get(
            data_set=JOBS.data_sets[w.group]
        ).output.data,
        candidate=lambda w: JOBS.candidates(w, checkpoints),
    output:
        architecture=f"{RESULTS}/cells/selections/{{group}}/{{method}}/{{run}}/architecture.yaml",
        candidates=f"{RESULTS}/cells/selections/{{group}}/{{method}}/{{run}}/candidates.csv",
    log:
        f"{RESULTS}/logs/select_architecture/{{group}}/{{method}}/{{run}}.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **JOBS.resources("select_architecture"),
    params:
        job=lambda w: job_identity(
            f"select_architecture/{w.group}/{w.method}/{w.run}",
            "select_architecture",
            JOBS.selection(w),
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS, gpu=True)


# One training of one architecture from scratch.
rule evaluate_genotype:
    input:
        data=lambda w: checkpoints.fetch_data.get(
            data_set=JOBS.data_sets[w.group]
        ).output.data,
        architecture=lambda w: JOBS.architecture(w, checkpoints),
    output:
        history=f"{RESULTS}/cells/evaluations/{{group}}/{{method}}/{{run}}/seed-{{seed}}/history.csv",
        weights=f"{RESULTS}/cells/evaluations/{{group}}/{{method}}/{{run}}/seed-{{seed}}/weights.pt",
        outcome=f"{RESULTS}/cells/evaluations/{{group}}/{{method}}/{{run}}/seed-{{seed}}/outcome.json",
    log:
        f"{RESULTS}/logs/evaluate_genotype/{{group}}/{{method}}/{{run}}/seed-{{seed}}.log",
    conda:
        "../envs/environment.yaml"
    resources:
        **JOBS.resources("evaluate_genotype"),
    params:
        job=lambda w: job_identity(
            f"evaluate_genotype/{w.group}/{w.method}/{w.run}/seed-{w.seed}",
            "evaluate_genotype",
            JOBS.evaluation(w.group, w.seed),
        ),
        files=named_files(),
    shell:
        rule_command(RESULTS, gpu=True)
