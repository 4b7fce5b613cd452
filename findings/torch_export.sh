#!/usr/bin/env bash
# torch 2.14.1: an exported program takes a generator as an argument, and draws from the one that it was exported with; and
# a program exported in training mode writes into the running statistics of the network that it was made of.
# Expected: the generator that it is given is used; the program's state is its own.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" torch==2.14.1 numpy==2.4.6
cat >programs.py <<'PY'
import torch
from torch import nn


class Noise(nn.Module):
    def forward(self, x, generator):
        return x + torch.randn(x.shape, generator=generator)


def seeded():
    return torch.Generator().manual_seed(1)


x = torch.zeros(4, 2)
program = torch.export.export(Noise(), (x, seeded()), strict=False).module()
print(torch.equal(Noise()(x, seeded()), Noise()(x, seeded())), torch.equal(program(x, seeded()), program(x, seeded())))
norm = nn.BatchNorm1d(2).train()
program = torch.export.export(norm, (x + 1,)).module()
before = norm.running_mean.clone()
program(x + 1)
print(torch.equal(norm.running_mean, before))
PY
python programs.py >printed
expect "the same draws twice, network and program" "$(sed -n 1p printed)" "True False"
expect "the network stays as it is" "$(sed -n 2p printed)" "False"
