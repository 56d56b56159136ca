"""A libFuzzer target."""

def fuzzer(name, deps):
    """NAME_fuzzer, built from NAME_fuzzer.cc. It needs --config=fuzz, so `//...` leaves it out."""
    native.cc_binary(
        name = name + "_fuzzer",
        testonly = True,
        srcs = [name + "_fuzzer.cc"],
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps + [":require"],
    )
