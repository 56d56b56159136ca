"""Turns `bazel aquery --output=jsonproto` into a compile_commands.json for clang-tidy:
compile_commands.py EXECUTION_ROOT WORKSPACE"""

import json
import sys

root, workspace = sys.argv[1:]
commands = []
for action in json.load(sys.stdin).get("actions", []):
    arguments = action["arguments"]
    source = next((a for a in reversed(arguments) if a.endswith(".cc")), None)
    if source is None or source.startswith("bazel-out/"):
        continue
    # Generated files are in the execution root, all others in the workspace.
    path = f"{workspace}/{source}"
    arguments = [path if a == source else a for a in arguments]
    commands.append(
        {
            "directory": root,
            "file": path,
            "arguments": [arguments[0], "-iquote", workspace, *arguments[1:]],
        }
    )
json.dump(commands, sys.stdout)
