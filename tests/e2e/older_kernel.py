"""Programs under a kernel that lets anybody change the agent's table: before Linux 6.9."""

import os
import pathlib
import subprocess

_SOURCE = pathlib.Path(__file__).with_name("older_kernel.c")


def environment(directory):
    """Variables for a program that is to run so; what is needed for it goes into the directory."""
    library = directory / "older_kernel.so"
    if not library.exists():
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
    # A sanitizer wants to be the first library.
    sanitizer = os.environ.get("ASAN_OPTIONS", "")
    return {
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": f"{sanitizer}:verify_asan_link_order=0".lstrip(":"),
    }
