#!/bin/bash
# Makes the stubs anew and runs the tests with Debian's Python, which has Debian's grpcio.
set -euo pipefail
# Bazel runs a link to this file: protoc and Python want the files it leads to.
cd "$(dirname "$(readlink -f "$0")")"
stubs=$(mktemp -d)
trap 'rm -r "$stubs"' EXIT
./generate "$stubs"
PYTHONPATH=$stubs /usr/bin/python3 decider_test.py
PYTHONPATH=$stubs /usr/bin/python3 sluice_decider_test.py
