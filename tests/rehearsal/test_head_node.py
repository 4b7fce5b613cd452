"""The load of Snakemake's process and of those below it."""

import subprocess
import sys
import time

from workflow_scripts.rehearsal.head_node import FILE, Watch, keep, kept

BUSY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(50_000_000)\\nwhile True: pass'])"


def test_what_a_process_started_counts_and_the_largest_is_kept(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        watch = Watch(parent.pid)
        deadline = time.monotonic() + 60
        while (watch.load_so_far().processor_seconds < 0.3 or watch.memory < 50e6) and time.monotonic() < deadline:
            time.sleep(0.05)
            watch.look()
        processes = watch.root.children()
    finally:
        for process in [*processes, parent]:
            process.kill()
        parent.wait()
    watch.look()
    load = watch.load_so_far()
    assert load.processor_seconds >= 0.3 and load.largest_memory_mb >= 50, "the child computes, not the parent"
    assert load.largest_share > 0
    keep(load, tmp_path)
    with (tmp_path / FILE).open("a") as lines:
        lines.write('{"seconds": 1}\nno json\n')
    keep(load, tmp_path)
    assert kept(tmp_path) == [load, load]
    assert kept(tmp_path / "absent") == []
