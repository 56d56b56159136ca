// Plays the cases of gRPC-Web (web_cases.mjs) in Node, with Connect's libraries:
// @connectrpc/connect-web over fetch, which is what pages do, or @connectrpc/connect-node.
//
//   node interop_web_client.mjs DESCRIPTORS URL [--http2] [--ca FILE] [CASE...]
//
// DESCRIPTORS is what protoc --descriptor_set_out makes of interop.proto. Without --http2, it is
// fetch over HTTP/1.1; fetch trusts the certificates in NODE_EXTRA_CA_CERTS. Prints "passed CASE" or
// "failed CASE: why" for each, and fails if one of them did. The last case stops the server.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createGrpcWebTransport as nodeTransport } from "@connectrpc/connect-node";
import { createGrpcWebTransport as fetchTransport } from "@connectrpc/connect-web";

import { play } from "./cases.mjs";
import { webCases } from "./web_cases.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { ca: { type: "string" }, http2: { type: "boolean" } },
});
const [descriptors, baseUrl, ...only] = positionals;
const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)),
);
const transport = flags.http2
  ? nodeTransport({
      baseUrl,
      httpVersion: "2",
      nodeOptions: flags.ca ? { ca: readFileSync(flags.ca) } : {},
    })
  : fetchTransport({ baseUrl });

process.exit((await play(webCases(transport, registry), only)) ? 0 : 1);
