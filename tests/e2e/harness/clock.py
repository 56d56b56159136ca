"""A wall clock for one program, which a test can set (Debian's package faketime).

The machine's clock stays as it is, and so does the monotonic clock of the program. The kernel still
stamps packets by the machine's clock. This is worse than a step of a real clock, after which stamps
and the program's clock differ only for the packets queued at that moment.
"""

import os
import pathlib

_LIBRARY = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Clock:
    """`env` is for the program, which reads the offset each time it asks for the time."""

    def __init__(self, directory):
        self._file = directory / "clock"
        self.step(0)
        self.env = {
            "LD_PRELOAD": str(_LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # GCC's sanitizers ask to be loaded first, but need not be.
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        }

    def step(self, seconds):
        """Sets it to so many seconds from the machine's clock, all at once."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{seconds:+}\n")
        written.rename(self._file)
