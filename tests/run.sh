#!/usr/bin/env bash
# Runs the tests of both services:
#     tests/run.sh                       all of them, some files at the same time: many tests wait
#     tests/run.sh [pytest arguments]    one after the other, or as the arguments say
# Makes a virtual environment of its own, .venv-test-X.Y, and keeps it current.
# PYTHON chooses the interpreter (python3), PIP_CONSTRAINT the versions.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
venv=.venv-test-$version${VENV_SUFFIX:-}

# What the environment was made from: a change in any of these makes it stale.
wanted=$(cat pyproject.toml backend/requirements*.txt gpu_server/requirements.txt \
    ${PIP_CONSTRAINT:+"$PIP_CONSTRAINT"} | sha256sum)
if [ "$(cat "$venv/made-from" 2>/dev/null)" != "$wanted" ]; then
    "$python" -m venv --clear "$venv"
    # Not compiled: the tests import a small part of what is installed.
    "$venv/bin/pip" install --quiet --no-compile --editable '.[test]' \
        -r backend/requirements-postgresql.txt -r backend/requirements-s3.txt
    printf '%s\n' "$wanted" > "$venv/made-from"
fi

# The tests install packages themselves: with the versions that a user would get.
unset PIP_CONSTRAINT
[ "$#" -gt 0 ] || set -- --numprocesses=4 --dist=loadfile
exec "$venv/bin/python" -m pytest "$@"
