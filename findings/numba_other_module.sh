#!/usr/bin/env bash
# numba 0.68.1, cache=True: a change of a function or of a constant in another module is not seen, and neither is
# NUMBA_BOUNDSCHECK. Expected: the function is compiled again. (numba's manual names the first as a limit of its cache.)
# Seen: 7.0, and 7.0 again after the other module says 30 * x + 1; the cache is hit with bounds checks asked for.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" numba==0.68.1 numpy==2.4.6
cat >other.py <<'PY'
import numba


@numba.njit
def times(x):
    return 3.0 * x


ONE = 1.0
PY
cat >function.py <<'PY'
import numba
from other import ONE, times


@numba.njit(cache=True)
def function(x):
    return times(x) + ONE


print(function(2.0), "loaded" if function.stats.cache_hits else "compiled")
PY
expect "at first" "$(python function.py)" "7.0 compiled"
sed -i 's/3.0 \* x/30.0 * x/' other.py
expect "another function in the other module" "$(python function.py)" "7.0 loaded"
sed -i 's/ONE = 1.0/ONE = 9.0/' other.py
expect "another constant in the other module" "$(python function.py)" "7.0 loaded"
expect "with bounds checks" "$(NUMBA_BOUNDSCHECK=1 python function.py)" "7.0 loaded"
touch function.py
expect "its own file is newer, the same otherwise" "$(python function.py)" "7.0 loaded"
