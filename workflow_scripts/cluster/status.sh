#!/bin/sh
# The state of a job, for Snakemake's executor cluster-generic: the second of a profile's three lines.
#   sh workflow_scripts/cluster/status.sh LIST COMMAND ... NUMBER
# LIST COMMAND prints a line for each of the user's jobs that the scheduler still holds, with its number first. It is
# asked at most every 15 seconds, however many jobs there are; this file answers from what it answered then, because one
# process is started per job. Whatever needs thought is done by status.py.
trap '' INT # Ctrl-C ends Snakemake; a question that dies with it would be one more error message
for number; do :; done
here=.snakemake/cluster
digits=${number%%[!0-9]*}
folder=$(sed -n 2p "$here/$digits" 2>/dev/null)
if [ -n "$folder" ] && read -r status _ 2>/dev/null <"$folder/exit" && [ "$status" = 0 ]; then
	echo success
elif read -r _ asked 2>/dev/null <"$here/listed" && age=$(($(date +%s) - ${asked%%.*})) &&
	[ "$age" -ge 0 ] && [ "$age" -lt 15 ] && grep -q "^$digits " "$here/listed"; then
	echo running
else
	exec python -m workflow_scripts.cluster.status "$@"
fi
