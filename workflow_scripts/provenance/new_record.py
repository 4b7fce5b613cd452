"""A job's new record, put together from what it was asked, what it read and wrote, and where it ran."""

from collections.abc import Mapping
from typing import Any

from workflow_scripts.provenance.identity import Identity
from workflow_scripts.provenance.record import VERSION, Facts, NamedPaths, canonical_bytes, plain_paths, sealed


def new_record(
    identity: Identity,
    modules: Mapping[str, str],
    root: str,
    job: str,
    *,
    inputs: NamedPaths,
    outputs: NamedPaths,
    read: Facts,
    written: Facts,
    conditions: Mapping[str, Any],
    times: Mapping[str, Any],
) -> bytes:
    """The bytes of a job's record; its fields are those of `record.Record`.

    `modules` are the digests of what ran. `inputs` and `outputs` are the paths the job was called with, `read` and
    `written` the facts of their files, those read with the record of their making. `conditions` are the fields
    software, machine, device, threads and git; `times` are attempt, started, ended and seconds.
    """
    fields = {
        "version": VERSION,
        "root": root,
        "job": job,
        "step": identity.step,
        "settings": identity.settings,
        "chosen_modules": list(identity.modules),
        "code": identity.code,
        "modules": modules,
        "arguments": {"inputs": plain_paths(inputs), "outputs": plain_paths(outputs)},
        "inputs": read,
        "outputs": written,
        "seed": identity.settings.get("seed"),
        **conditions,
        **times,
    }
    return canonical_bytes(sealed(fields))
