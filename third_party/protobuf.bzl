"""Generates and compiles C++ from .proto files with the system's protoc."""

def cc_proto_files(name, srcs, services = [], visibility = None):
    """One cc_library, NAME, for the messages and one, NAME_grpc, for the services.

    Args:
      name: the cc_library of the messages.
      srcs: .proto files; they import each other, and are included, by their path in this package.
      services: those of srcs that define a gRPC service.
      visibility: of both.
    """
    root = native.package_name()
    sources = [s.replace(".proto", ".pb.cc") for s in srcs]
    headers = [s.replace(".proto", ".pb.h") for s in srcs]
    native.genrule(
        name = name + "_messages",
        srcs = srcs,
        outs = sources + headers,
        cmd = "protoc -I%s --cpp_out=$(GENDIR)/%s $(SRCS)" % (root, root),
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        copts = ["-w"],
        includes = ["."],
        visibility = visibility,
        deps = ["@system//:protobuf"],
    )

    service_sources = [s.replace(".proto", ".grpc.pb.cc") for s in services]
    service_headers = [s.replace(".proto", ".grpc.pb.h") for s in services]
    native.genrule(
        name = name + "_services",
        srcs = srcs,
        outs = service_sources + service_headers,
        cmd = "protoc -I%s --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin --grpc_out=$(GENDIR)/%s %s" % (
            root,
            root,
            " ".join(["$(location %s)" % s for s in services]),
        ),
    )
    native.cc_library(
        name = name + "_grpc",
        srcs = service_sources,
        hdrs = service_headers,
        copts = ["-w"],
        includes = ["."],
        visibility = visibility,
        deps = [":" + name, "@system//:grpc"],
    )
