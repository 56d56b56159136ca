"""What each measurement gets: the network, the programs, and how long to measure."""

import os
import sys
import time


class Context:
    """There is one for a whole run; `number` is the round, from 0."""

    def __init__(self, topology, bin_dir, options):
        self.topology = topology
        self.seconds = options.seconds
        self.in_flight = options.in_flight
        self.flows = options.flows
        self.number = 0
        self.background = []  # Processors that other programs kept busy, before each measurement.
        self.left_out = {}  # (measurement, configuration or None) -> why
        self.measurement = ""  # The one that is under way.
        self.other_bin = os.path.realpath(options.other_bin) if options.other_bin else None
        self._bin_dir = bin_dir

    def binary(self, path):
        return f"{self._bin_dir}/{path}"

    def each(self, configurations):
        """The names, beginning with another one each round, so that the order varies."""
        names = list(configurations)
        shift = self.number % len(names)
        for name in names[shift:] + names[:shift]:
            self.background.append(_busy_processors(0.2))
            self.say(f"{self.measurement}: {name}")
            yield name

    def leave_out(self, configuration, why):
        """Says that this machine cannot measure a configuration."""
        if (self.measurement, configuration) not in self.left_out:
            self.left_out[(self.measurement, configuration)] = why
            self.say(f"{self.measurement}: {configuration} is left out: {why}")

    def say(self, text):
        print(f"round {self.number + 1}  {text}", file=sys.stderr)


def _busy_processors(seconds):
    def idle():
        with open("/proc/stat", encoding="ascii") as file:
            fields = file.readline().split()
        return (int(fields[4]) + int(fields[5]) + int(fields[8])) / os.sysconf("SC_CLK_TCK")
    started, before = time.monotonic(), idle()
    time.sleep(seconds)
    elapsed = time.monotonic() - started
    return max(0.0, os.cpu_count() - (idle() - before) / elapsed)
