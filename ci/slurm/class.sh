#!/bin/bash
# Grade a class in 100 parts on a Slurm cluster, twenty at once, and join them:
#     export CLASS=/scratch/class GRADER=/scratch/eight-servers STEPS=02,05
#     part=$(sbatch --parsable --export=ALL ci/slurm/class.sh)
#     sbatch --export=ALL --array=0 --dependency="afterok:$part" ci/slurm/class.sh join
# CLASS/submissions has one entry a student, and CLASS/results gets the book. GRADER is this repository, made ready by
# `./toxw -e batch --notest`; all nodes see both. A part that ran out of time is submitted again alone (--array=17) and
# goes on where it stopped. What runs in /tmp is the node's own.
#SBATCH --job-name=class
#SBATCH --array=1-100%20
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=class-%A-%a.log
#SBATCH --requeue
set -u

PARTS=${PARTS:-100} # as many as --array has
cd "$GRADER" || exit 2
status=0
if [ "${1-}" = join ]; then
    .tox/grade/bin/python -m grader.batch.merge "$CLASS/results" --out "$CLASS/results" --csv canvas || status=$?
else
    .tox/grade/bin/python -m grader.batch "$CLASS/submissions" --steps "$STEPS" --out "$CLASS/results" \
        --jobs "${SLURM_CPUS_PER_TASK:-1}" --shard "$SLURM_ARRAY_TASK_ID/$PARTS" || status=$?
fi
# 1 says that something was not judged: the book says what.
test "$status" -le 1
