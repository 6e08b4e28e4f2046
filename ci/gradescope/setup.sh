#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image in which every submission of the assignment is graded.
# AUTOGRADER_ROOT and EIGHT_SERVERS_VENV are for trying it elsewhere.
set -euo pipefail
source=${AUTOGRADER_ROOT:-/autograder}/source
sh "$source/ci/prepare.sh" "${EIGHT_SERVERS_VENV:-/opt/eight-servers}"
chmod 700 "$source" # the server runs as another user, and reads nothing of ours
