#!/usr/bin/env bash
# torch 2.14.1, on a processor: with one seed the first 15 of 17 normal numbers are not those of 15, as from 16 on they are
# made in blocks; below 16 float32 is rounded float64, from 16 on it is not; and of a seed the last 32 bits count alone.
# Expected: the start of a longer draw is the shorter one; the type does not matter, or always; each seed counts.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" torch==2.14.1 numpy==2.4.6
cat >draws.py <<'PY'
import torch


def normal(count, seed=1, dtype=torch.float32):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def uniform(count, seed=1):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))


def rounded(count):
    return normal(count, dtype=torch.float64).float()


print(torch.equal(uniform(15), uniform(17)[:15]), torch.equal(normal(15), normal(17)[:15]))
print(torch.equal(normal(10), rounded(10)), torch.equal(normal(40), rounded(40)))
print(torch.equal(normal(40), normal(40, seed=1 + 2**32)))
PY
python draws.py >printed
expect "15 of 17 are those of 15, uniform and normal" "$(sed -n 1p printed)" "True False"
expect "float32 is rounded float64, 10 and 40 numbers" "$(sed -n 2p printed)" "True False"
expect "a seed that differs in its 33rd bit gives the same" "$(sed -n 3p printed)" "True"
