"""A libFuzzer target."""

def fuzzer(name, deps):
    """NAME_fuzzer, of NAME_fuzzer.cc. Needs --config=fuzz, so that `//...` leaves it out."""
    native.cc_binary(
        name = name + "_fuzzer",
        testonly = True,
        srcs = [name + "_fuzzer.cc"],
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps + [":require"],
    )
