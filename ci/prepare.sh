#!/bin/sh
# Make a throw-away machine of a CI ready to grade strangers' code:
#     ci/prepare.sh [VENV]
# As root, or with sudo, on Debian or Ubuntu, it installs what is missing of Python, its venv module and bubblewrap (for
# the walls); then it makes the virtual environment VENV with what requirements/grade.txt pins.
set -eu
umask 022

die() {
    printf 'prepare.sh: %s\n' "$*" >&2
    exit 2
}

venv=${1-}
packages=$(dirname -- "$0")/../requirements/grade.txt
python=${EIGHT_SERVERS_PYTHON:-python3}

if [ "$(id -u)" = 0 ]; then
    as_root() { "$@"; }
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root() { sudo -n "$@"; }
else
    as_root() { return 1; }
fi

missing=
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="python3 python3-venv"
command -v bwrap >/dev/null || missing="$missing bubblewrap"
if [ -n "$missing" ] && command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086 # a list of names
    { as_root apt-get -qq update && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --no-install-recommends $missing >/dev/null; } ||
        echo "prepare.sh: could not install $missing; going on without" >&2
fi
"$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    die "there is no Python 3.10 or newer with its venv module; install one (apt install python3-venv)"

# Ubuntu 24.04 keeps user namespaces from bubblewrap. GitHub's own machines live for one job.
closed=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
if [ "${RUNNER_ENVIRONMENT-}" = github-hosted ] && [ "$(cat "$closed" 2>/dev/null)" = 1 ]; then
    as_root sysctl -q -w kernel.apparmor_restrict_unprivileged_userns=0 || true
fi

[ -n "$venv" ] || exit 0
# The list is copied last: a folder without it is half made.
cmp -s "$packages" "$venv/grade.txt" && exit 0
"$python" -m venv "$venv"
"$venv/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-input -r "$packages"
cp "$packages" "$venv/grade.txt"
