#!/bin/bash
# Generates the stubs again and runs the tests with Debian's Python, which has Debian's grpcio.
set -euo pipefail
# Bazel runs a symbolic link to this file; protoc and Python need the files beside its target.
cd "$(dirname "$(readlink -f "$0")")"
stubs=$(mktemp -d)
trap 'rm -r "$stubs"' EXIT
./generate "$stubs"
PYTHONPATH=$stubs /usr/bin/python3 decider_test.py
PYTHONPATH=$stubs /usr/bin/python3 sluice_decider_test.py
