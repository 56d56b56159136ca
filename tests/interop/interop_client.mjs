// Plays the interop cases (interop.proto) with gRPC's library for Node, @grpc/grpc-js.
//
//   node interop_client.mjs ADDRESS [--ca FILE] [CASE...]
//
// Prints "passed CASE" or "failed CASE: why" for each, and fails if one of them did. The last case
// stops the server.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import {
  DEADLINE_MS,
  GRACE_MS,
  PATIENCE_MS,
  PLAIN_MESSAGE,
  SPECIAL_MESSAGE,
  UNKNOWN,
  asking,
  expectPayload,
  play,
  sleep,
} from "./cases.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { ca: { type: "string" } },
});
const [address, ...only] = positionals;
const proto = fileURLToPath(new URL("interop.proto", import.meta.url));
const services = grpc.loadPackageDefinition(loadSync(proto, { defaults: true, longs: Number }))
  .sluice.interop;
const credentials = flags.ca
  ? grpc.credentials.createSsl(readFileSync(flags.ca))
  : grpc.credentials.createInsecure();
const client = new services.InteropService(address, credentials);
const unserved = new services.UnservedService(address, credentials);
const { CANCELLED, DEADLINE_EXCEEDED, OK, UNAVAILABLE, UNIMPLEMENTED } = grpc.status;

const patient = () => ({ deadline: Date.now() + PATIENCE_MS });

// Calls a method that is answered once.
function ask(method, request, options = patient(), metadata = new grpc.Metadata()) {
  return new Promise((resolve, reject) => {
    const done = (error, response) => (error ? reject(error) : resolve(response));
    method.call(method.client ?? client, request, metadata, options, done);
  });
}

// The error of a call that fails.
async function expectError(code, promise) {
  const error = await promise.then(
    () => assert.fail(`${code} was expected, but the call succeeded`),
    (reason) => reason,
  );
  assert.equal(error.code, code, String(error));
  return error;
}

// A call that is answered by a stream.
class Stream {
  constructor(call) {
    this.call = call;
    this.status = new Promise((resolve) => call.once("status", resolve));
    call.on("error", () => {}); // next() fails with it.
    this.messages = call[Symbol.asyncIterator]();
  }

  // The next message; undefined at the end.
  async next() {
    return (await this.messages.next()).value;
  }

  async expectEnd() {
    assert.equal(await this.next(), undefined);
    assert.equal((await this.status).code, OK);
  }
}

class Conversation extends Stream {
  constructor(options = patient(), metadata = new grpc.Metadata()) {
    super(client.converse(metadata, options));
  }

  async pingPong(up, down) {
    this.call.write(asking(up, [down]));
    expectPayload((await this.next()).payload, down);
  }

  async end() {
    this.call.end();
    await this.expectEnd();
  }
}

const send = (request, options = patient(), metadata = new grpc.Metadata()) =>
  new Stream(client.send(request, metadata, options));

// Sends requests, which are all there are with `halfClose`, and waits for the one response.
function collect(requests, options = patient(), metadata = new grpc.Metadata(), halfClose = true) {
  return new Promise((resolve, reject) => {
    const done = (error, response) => (error ? reject(error) : resolve(response));
    const call = client.collect(metadata, options, done);
    for (const request of requests) call.write(request);
    if (halfClose) call.end();
  });
}

function expectEmpty(response) {
  assert.deepEqual({ ...response, payload: [...response.payload] }, { payload: [], received: 0 });
}

// The status comes back as it was asked for, alone and after a message.
async function expectStatusBack(code, message) {
  const request = { status: { code, message } };
  assert.equal((await expectError(code, ask(client.answer, request))).details, message);
  const conversation = new Conversation();
  await conversation.pingPong(8, 9);
  conversation.call.write(request);
  assert.equal((await expectError(code, conversation.next())).details, message);
}

// It passes before a response, after one, and while requests are still to come.
async function expectDeadline(options, metadata) {
  const sleeping = { sleep: true };
  const answer = ask(client.answer, asking(1, [], sleeping), options(), metadata);
  await expectError(DEADLINE_EXCEEDED, answer);
  const stream = send(asking(1, [9], sleeping), options(), metadata);
  expectPayload((await stream.next()).payload, 9);
  await expectError(DEADLINE_EXCEEDED, stream.next());
  const collected = collect([asking(1)], options(), metadata, false);
  await expectError(DEADLINE_EXCEEDED, collected);
}

const cases = {
  async empty_unary() {
    await ask(client.ping, {});
  },

  async large_unary() {
    const response = await ask(client.answer, asking(271828, [314159]));
    expectPayload(response.payload, 314159);
    assert.equal(response.received, 271828);
  },

  async client_streaming() {
    const response = await collect([27182, 8, 1828, 45904].map((size) => asking(size)));
    assert.equal(response.received, 27182 + 8 + 1828 + 45904);
  },

  async server_streaming() {
    const sizes = [31415, 9, 2653, 58979];
    const stream = send(asking(0, sizes));
    for (const size of sizes) expectPayload((await stream.next()).payload, size);
    await stream.expectEnd();
  },

  async ping_pong() {
    const conversation = new Conversation();
    await conversation.pingPong(27182, 31415);
    await conversation.pingPong(8, 9);
    await conversation.pingPong(1828, 2653);
    await conversation.pingPong(45904, 58979);
    await conversation.end();
  },

  async thousand_ping_pongs() {
    const conversation = new Conversation();
    for (let i = 0; i < 1000; ++i) await conversation.pingPong(100, 200);
    await conversation.end();
  },

  async empty_stream() {
    await new Conversation().end();
  },

  async empty_messages() {
    const conversation = new Conversation();
    for (let i = 0; i < 3; ++i) {
      conversation.call.write({});
      expectEmpty(await conversation.next());
    }
    await conversation.end();
    expectEmpty(await collect([{}, {}, {}]));
  },

  // Once the server has begun the call too: of one that is cancelled at once, Node 20 may send the
  // head and then no reset, so that only its deadline ends it at the server.
  async cancel_after_begin() {
    const { begun } = await ask(client.countCalls, {});
    let call;
    const ended = new Promise((resolve) => {
      call = client.collect(new grpc.Metadata(), patient(), resolve);
    });
    while ((await ask(client.countCalls, {})).begun === begun);
    call.cancel();
    assert.equal((await ended).code, CANCELLED);
  },

  async cancel_after_first_response() {
    const conversation = new Conversation();
    await conversation.pingPong(27182, 31415);
    conversation.call.cancel();
    await expectError(CANCELLED, conversation.next());
  },

  // The deadline has hardly begun when it passes: wherever the call is then, it ends.
  async timeout_on_sleeping_server() {
    const conversation = new Conversation({ deadline: Date.now() + 1 });
    conversation.call.write(asking(27182, [], { sleep: true }));
    await expectError(DEADLINE_EXCEEDED, conversation.next());
  },

  async deadline_passes() {
    await expectDeadline(() => ({ deadline: Date.now() + DEADLINE_MS }), new grpc.Metadata());
  },

  // This library does not know of the deadline, so it is the server that ends the calls.
  async deadline_passes_at_the_server() {
    const metadata = new grpc.Metadata();
    metadata.set("grpc-timeout", `${DEADLINE_MS}m`);
    await expectDeadline(() => ({}), metadata);
  },

  async status_code_and_message() {
    await expectStatusBack(UNKNOWN, PLAIN_MESSAGE);
  },

  async special_status_message() {
    await expectStatusBack(UNKNOWN, SPECIAL_MESSAGE);
  },

  // The seam has no way to read or send metadata, so the server echoes none; what is tried is that
  // it takes them.
  async custom_metadata() {
    const metadata = new grpc.Metadata();
    metadata.add("x-sluice-text", "a value, with spaces; and = signs");
    metadata.add("x-sluice-text", "a second one");
    metadata.add("x-sluice-long", "x".repeat(4096));
    metadata.add("x-sluice-bytes-bin", Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
    const response = await ask(client.answer, asking(1, [9]), patient(), metadata);
    expectPayload(response.payload, 9);
    const conversation = new Conversation(patient(), metadata);
    await conversation.pingPong(1, 9);
    await conversation.end();
  },

  async unimplemented_method() {
    await expectError(UNIMPLEMENTED, ask(client.unserved, {}));
  },

  async unimplemented_service() {
    const ended = new Promise((resolve) => unserved.ping({}, patient(), resolve));
    assert.equal((await ended).code, UNIMPLEMENTED);
  },

  async slow_reader() {
    const size = 256 << 10;
    const stream = send(asking(0, Array(64).fill(size)));
    for (let i = 0; i < 64; ++i) {
      await sleep(10);
      expectPayload((await stream.next()).payload, size);
    }
    await stream.expectEnd();
  },

  // The server has forgotten every call of the cases before.
  async every_call_ends() {
    const end = Date.now() + PATIENCE_MS;
    let counts;
    do {
      counts = await ask(client.countCalls, {});
    } while (counts.begun !== counts.ended && Date.now() < end);
    assert.equal(counts.begun, counts.ended);
  },

  // A call that is under way goes on until its end. One that has none is broken off.
  async server_stops() {
    const ending = new Conversation();
    const endless = new Conversation();
    await ending.pingPong(8, 9);
    await endless.pingPong(8, 9);
    const channel = client.getChannel();
    assert.equal(channel.getConnectivityState(false), grpc.connectivityState.READY);
    // GOAWAY has the channel part with its connection.
    const parted = new Promise((resolve, reject) => {
      const until = Date.now() + PATIENCE_MS;
      const done = (error) => (error ? reject(error) : resolve());
      channel.watchConnectivityState(grpc.connectivityState.READY, until, done);
    });
    await ask(client.stop, { graceMs: GRACE_MS });
    await parted;
    for (let i = 0; i < 10; ++i) await ending.pingPong(27182, 31415);
    await expectError(UNAVAILABLE, ask(client.ping, {}));
    await ending.end();
    await expectError(UNAVAILABLE, endless.next());
  },
};

process.exit((await play(cases, only)) ? 0 : 1);
