// Plays the cases of gRPC-Web (web_cases.mjs) in a page, with @connectrpc/connect-web. The page's
// address has the server's behind "#". What is said goes to where the page comes from, a line each,
// and at last "end".

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { play } from "./cases.mjs";
import { webCases } from "./web_cases.mjs";

const said = [];
const say = (line) => said.push(fetch("/said", { method: "POST", body: line }));

const descriptors = new Uint8Array(await (await fetch("/descriptors")).arrayBuffer());
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
const transport = createGrpcWebTransport({ baseUrl: location.hash.slice(1) });
await play(webCases(transport, registry), [], say);
await Promise.all(said);
say("end");
