"""The folders at the top of a results folder in which no job has an output."""

RECORDS = "records"
INPUT_RECORDS = "linked_records"
WAIVERS = "waivers"
SIGNATURES = "signatures"
ATTEMPTS = "attempts"
LOGS = "logs"
SCHEDULER = "scheduler"
LOCKS = ".locks"
SCRATCH = ".scratch"
PRODUCERS = ".producers"
CHECKPOINTS = ".checkpoints"
KEPT = ".kept"

OWN_WORK = (LOCKS, SCRATCH, PRODUCERS, CHECKPOINTS)
"""Of the wrapper's own work; nothing needs to vouch for their files."""
RESERVED = (RECORDS, INPUT_RECORDS, WAIVERS, SIGNATURES, ATTEMPTS, LOGS, SCHEDULER, KEPT, *OWN_WORK)
