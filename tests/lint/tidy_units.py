"""Puts files of a folder together for clang-tidy, which spends most of its time on the headers that
they share: tidy_units.py DATABASE FILE... reads DATABASE/compile_commands.json, writes units into
DATABASE and adds them there; prints each unit as a line: its path, then the files in it.

A unit includes its files one after the other. So files that define the same name for themselves,
in an anonymous namespace, come into different units.
"""

import collections
import json
import pathlib
import re
import sys

# The more files, the longer the last unit holds one processor while the others have none.
_MOST_FILES = 12

_ANONYMOUS = re.compile(r"^namespace \{\n(.*?)^\}  // namespace$", re.DOTALL | re.MULTILINE)
_DEFINED = re.compile(
    r"^(?:class|struct|union|using|(?:enum(?: class)?))\s+(\w+)"  # a type
    r"|^(?:[\w:<>,&*\[\]]+\s+)+[*&]*(\w+)(?:\[[^\]]*\])?\s*(?:[=({;]|$)",  # a variable or a function
    re.MULTILINE,
)
_ENTRY = re.compile(r"^(?:extern \"C\" )?int (main|LLVMFuzzerTestOneInput)\(", re.MULTILINE)
_MACRO = re.compile(r"^#define (\w+)", re.MULTILINE)


def own_names(text):
    """Names that other files may have for something else."""
    names = {*_MACRO.findall(text), *_ENTRY.findall(text)}
    for body in _ANONYMOUS.findall(text):
        for match in _DEFINED.finditer(body):
            names.add(match[1] or match[2])
    return names


def units(files):
    """Lists of files that go together."""
    by_folder = collections.defaultdict(list)
    for file in files:
        by_folder[file.parent].append(file)
    for folder in by_folder.values():
        open_units = []  # files, and the names they define
        for file in folder:
            names = own_names(file.read_text())
            for unit, taken in open_units:
                if len(unit) < _MOST_FILES and not names & taken:
                    unit.append(file)
                    taken |= names
                    break
            else:
                open_units.append(([file], names))
        yield from (unit for unit, _ in open_units)


def main():
    database = pathlib.Path(sys.argv[1])
    files = [pathlib.Path(name).resolve() for name in sys.argv[2:]]
    commands = {c["file"]: c for c in json.loads((database / "compile_commands.json").read_text())}
    unknown = [str(file) for file in files if str(file) not in commands]
    if unknown:
        sys.exit(f"no target compiles {', '.join(unknown)}")
    added = []
    for number, unit in enumerate(units(files)):
        path = database / f"unit{number}.cc"
        path.write_text("".join(f'#include "{file}"\n' for file in unit))
        command = commands[str(unit[0])]
        arguments = [str(path) if a == str(unit[0]) else a for a in command["arguments"]]
        added.append({**command, "file": str(path), "arguments": arguments})
        print(path, *unit)
    (database / "compile_commands.json").write_text(json.dumps([*commands.values(), *added]))


if __name__ == "__main__":
    main()
