"""Programs under a kernel before Linux 6.9, which lets anybody change the agent's table."""

import os
import pathlib
import subprocess

_SOURCE = pathlib.Path(__file__).with_name("older_kernel.c")


def environment(directory):
    """The environment for such a program; the library it preloads is built in the directory."""
    library = directory / "older_kernel.so"
    if not library.exists():
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
    # A sanitizer checks that it is the first library, unless told not to.
    sanitizer = os.environ.get("ASAN_OPTIONS", "")
    return {
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": f"{sanitizer}:verify_asan_link_order=0".lstrip(":"),
    }
