// The interop cases (interop.proto) that gRPC-Web has, for Connect's libraries.

import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";

import {
  DEADLINE_MS,
  GRACE_MS,
  PATIENCE_MS,
  PLAIN_MESSAGE,
  SPECIAL_MESSAGE,
  UNKNOWN,
  asking,
  assert,
  expectPayload,
  sleep,
} from "./cases.mjs";

const patient = { timeoutMs: PATIENCE_MS };

// The error of a call that fails.
async function expectError(code, promise) {
  const error = await promise.then(
    () => assert.fail(`${code} was expected, but the call succeeded`),
    (reason) => ConnectError.from(reason),
  );
  assert.equal(error.code, code, String(error));
  return error;
}

// The cases, an object of functions. `registry` has the descriptors of interop.proto. The last case
// stops the server.
export function webCases(transport, registry) {
  const client = createClient(registry.getService("sluice.interop.InteropService"), transport);
  const unserved = createClient(registry.getService("sluice.interop.UnservedService"), transport);
  const responseType = registry.getMessage("sluice.interop.Response");

  // The messages of a call that is answered by a stream, one after the other.
  function send(request, options = patient) {
    const messages = client.send(request, options)[Symbol.asyncIterator]();
    return {
      // The next message; undefined at the end.
      next: async () => (await messages.next()).value,
    };
  }

  // The status comes back as it was asked for, alone and after a message.
  async function expectStatusBack(code, message) {
    const status = { code, message };
    const answer = client.answer({ status }, patient);
    assert.equal((await expectError(code, answer)).rawMessage, message);
    const stream = send(asking(0, [9], { status }));
    expectPayload((await stream.next()).payload, 9);
    assert.equal((await expectError(code, stream.next())).rawMessage, message);
  }

  async function expectDeadline(options) {
    const sleeping = { sleep: true };
    await expectError(Code.DeadlineExceeded, client.answer(asking(1, [], sleeping), options));
    const stream = send(asking(1, [9], sleeping), options);
    expectPayload((await stream.next()).payload, 9);
    await expectError(Code.DeadlineExceeded, stream.next());
  }

  return {
    async empty_unary() {
      await client.ping({}, patient);
    },

    async large_unary() {
      const response = await client.answer(asking(271828, [314159]), patient);
      expectPayload(response.payload, 314159);
      assert.equal(Number(response.received), 271828);
    },

    async server_streaming() {
      const sizes = [31415, 9, 2653, 58979];
      const stream = send(asking(0, sizes));
      for (const size of sizes) expectPayload((await stream.next()).payload, size);
      assert.equal(await stream.next(), undefined);
    },

    async empty_stream() {
      assert.equal(await send(asking(1)).next(), undefined);
    },

    async empty_messages() {
      const stream = send(asking(0, [0, 0, 0]));
      for (let i = 0; i < 3; ++i) {
        assert.equal(toBinary(responseType, await stream.next()).length, 0);
      }
      assert.equal(await stream.next(), undefined);
    },

    async cancel_after_begin() {
      const aborted = new AbortController();
      const answer = client.answer(asking(1, [], { sleep: true }), { signal: aborted.signal });
      aborted.abort();
      await expectError(Code.Canceled, answer);
    },

    async cancel_after_first_response() {
      const aborted = new AbortController();
      const stream = send(asking(1, [31415], { sleep: true }), { signal: aborted.signal });
      expectPayload((await stream.next()).payload, 31415);
      aborted.abort();
      await expectError(Code.Canceled, stream.next());
    },

    // The deadline has hardly begun when it passes: wherever the call is then, it ends.
    async timeout_on_sleeping_server() {
      const stream = send(asking(27182, [], { sleep: true }), { timeoutMs: 1 });
      await expectError(Code.DeadlineExceeded, stream.next());
    },

    async deadline_passes() {
      await expectDeadline({ timeoutMs: DEADLINE_MS });
    },

    // This library does not know of the deadline, so it is the server that ends the calls.
    async deadline_passes_at_the_server() {
      await expectDeadline({ headers: { "grpc-timeout": `${DEADLINE_MS}m` } });
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
      const headers = new Headers({
        "x-sluice-text": "a value, with spaces; and = signs",
        "x-sluice-long": "x".repeat(4096),
        "x-sluice-bytes-bin": btoa("bytes"),
      });
      headers.append("x-sluice-text", "a second one");
      const response = await client.answer(asking(1, [9]), { ...patient, headers });
      expectPayload(response.payload, 9);
    },

    async unimplemented_method() {
      await expectError(Code.Unimplemented, client.unserved({}, patient));
    },

    async unimplemented_service() {
      await expectError(Code.Unimplemented, unserved.ping({}, patient));
    },

    async slow_reader() {
      const size = 256 << 10;
      const stream = send(asking(0, Array(64).fill(size)));
      for (let i = 0; i < 64; ++i) {
        await sleep(10);
        expectPayload((await stream.next()).payload, size);
      }
      assert.equal(await stream.next(), undefined);
    },

    // The server has forgotten every call of the cases before.
    async every_call_ends() {
      const end = Date.now() + PATIENCE_MS;
      let counts;
      do {
        counts = await client.countCalls({}, patient);
      } while (counts.begun !== counts.ended && Date.now() < end);
      assert.equal(counts.begun, counts.ended);
    },

    // A call that is under way goes on until its end. One that has none is broken off.
    async server_stops() {
      const size = 256 << 10;
      const ending = send(asking(0, Array(64).fill(size)));
      const endless = send(asking(1, [9], { sleep: true }));
      expectPayload((await ending.next()).payload, size);
      expectPayload((await endless.next()).payload, 9);
      await client.stop({ graceMs: GRACE_MS }, patient);
      for (let i = 1; i < 64; ++i) expectPayload((await ending.next()).payload, size);
      assert.equal(await ending.next(), undefined);
      // What the libraries make of a connection that ends or cannot be had is up to them.
      await assert.rejects(endless.next());
      await assert.rejects(client.ping({}, patient));
    },
  };
}
