#!/usr/bin/env bash
# Grade one submission on a throw-away machine of a CI, with the grader that this file belongs to:
#     ci/grade.sh STEPS SUBMISSION REPORTS [OPTION...]
# STEPS: 05, several with commas, or all. SUBMISSION: a folder, of which nothing but the servers takes effect.
# REPORTS: a folder that is made; result.json, report.html and junit.xml come into it. OPTION: of the grader.
# EIGHT_SERVERS_VENV: the virtual environment to use, made if it is not there. EIGHT_SERVERS_SECONDS: for all steps
# together, 900 if not given; what is not judged by then is not. The exit status is the grader's.
set -euo pipefail
umask 022

(($# >= 3)) || {
    echo "grade.sh: give it STEPS, SUBMISSION and REPORTS" >&2
    exit 2
}
steps=$1 submission=$(realpath -- "$2") reports=$(realpath -m -- "$3")
shift 3
grader=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

venv=${EIGHT_SERVERS_VENV-}
if [[ -z $venv ]]; then
    venv=$(mktemp -d)
    chmod 755 "$venv" # the server, as another user, runs this Python
fi
sh "$grader/ci/prepare.sh" "$venv"

# Nothing else of the environment reaches the grader: no token, no path to a file that the runner obeys.
kept=()
for name in PATH HOME LANG TMPDIR EIGHT_SERVERS_PATIENCE GITHUB_ACTIONS GITHUB_STEP_SUMMARY \
    CLASSROOM ASSIGNMENT SUBMISSION_TAG COMMIT_URL RELEASE_URL REVIEW_URL; do
    [[ ! -v $name ]] || kept+=("$name=${!name}")
done
# Annotations name files as the learner's repository does, wherever it was checked out.
workspace=$submission
while [[ $workspace != / && ! -e $workspace/.git ]]; do workspace=$(dirname -- "$workspace"); done

mkdir -p "$reports"
cd "$grader"
exec env -i "${kept[@]}" GITHUB_WORKSPACE="$workspace" "$venv/bin/python" -m grader "$steps" \
    --submission "$submission" --walls auto --within "${EIGHT_SERVERS_SECONDS:-900}" \
    --json "$reports/result.json" --html "$reports/report.html" --junit "$reports/junit.xml" "$@"
