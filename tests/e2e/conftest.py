"""For pytest: the path of the generated stubs, and the rig of each test."""

import os
import pathlib
import sys

import pytest

_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_REPOSITORY / "clients/python"))
# gRPC's own log lines say nothing a failed assertion does not.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.failed = report.failed
    rig = item.funcargs.get("rig") if hasattr(item, "funcargs") else None
    if report.failed and rig:
        report.sections.append(("programs", rig.report()))


@pytest.fixture
def rig(request):
    from rig import Rig  # needs the stubs' path

    made = Rig()
    yield made
    made.finish(getattr(request.node, "failed", False))
