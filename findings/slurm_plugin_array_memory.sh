#!/usr/bin/env bash
# snakemake-executor-plugin-slurm 2.8.0: the memory of a job array grows by a megabyte with each chunk that it is
# submitted in, because what is added to the command of one chunk is kept for the next. Expected: each chunk asks for the
# same. Seen: 4001, 4002 and 4003 for three chunks of jobs that ask for 4000. No Slurm is needed to see it.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" snakemake-executor-plugin-slurm==2.8.0
cat >chunks.py <<'PY'
import inspect

import snakemake_executor_plugin_slurm as plugin
from snakemake_executor_plugin_slurm.submit_string import apply_mem_fudge

assert "call = apply_mem_fudge(call, array_execs_payload)" in inspect.getsource(plugin), "chunks are made otherwise"
call = "sbatch --mem 4000"
for chunk in range(3):
    call = apply_mem_fudge(call, "the same payload")
    print(call.split()[-1])
PY
expect "megabytes of three chunks" "$(python chunks.py | paste -sd' ')" "4001 4002 4003"
