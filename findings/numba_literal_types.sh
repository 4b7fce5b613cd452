#!/usr/bin/env bash
# numba 0.68.1: a constant that one compiled function passes to another is a type of its own, so the other is compiled
# twice for True and for a variable that is True. Expected: once. Called from Python, both share one version.
# Seen: two signatures after a literal and a variable, and still two after a call from Python.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" numba==0.68.1 numpy==2.4.6
cat >literals.py <<'PY'
import numba


@numba.njit
def add(x, flag):
    return x + 1 if flag else x


@numba.njit
def with_literal(x):
    return add(x, True)


@numba.njit
def with_variable(x, flag):
    return add(x, flag)


with_literal(1.0)
with_variable(1.0, True)
add(1.0, True)
print(*(str(flag) for _, flag in add.signatures), sep=" and ")
PY
expect "versions" "$(python literals.py)" "Literal[bool](True) and bool"
