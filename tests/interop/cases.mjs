// What the clients in JavaScript share, in Node and in pages: payloads, and playing cases.

// No case takes nearly as long: one that does hangs.
export const PATIENCE_MS = 30_000;
// What a call gets that is to end by its deadline.
export const DEADLINE_MS = 200;
// The calls under way when the server stops may go on for so long.
export const GRACE_MS = 2000;

export const UNKNOWN = 2; // gRPC's code
export const PLAIN_MESSAGE = "nothing is known of it";
export const SPECIAL_MESSAGE = '\tTür 7:\r\n 日本語, 🚪 und 100 %41 "\\\r\n\t';

// As interop.proto says.
export function payload(size) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; ++i) bytes[i] = i % 251;
  return bytes;
}

export function expectPayload(bytes, size) {
  assert.equal(bytes.length, size);
  assert.ok(payload(size).every((byte, i) => byte === bytes[i]), "the payload arrived damaged");
}

export function asking(size, sizes = [], fields = {}) {
  return { payload: payload(size), sizes, ...fields };
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// As Node's assert, of which pages have nothing.
export const assert = {
  ok(value, what = "it is not so") {
    if (!value) throw new Error(what);
  },
  equal(value, expected, what = "not equal") {
    assert.ok(Object.is(value, expected), `${what}: ${value} is not ${expected}`);
  },
  fail(what) {
    throw new Error(what);
  },
  rejects(promise) {
    return promise.then(
      () => assert.fail("it succeeded"),
      () => undefined,
    );
  },
};

// Plays the cases, an object of functions, or those that were asked for. Says "passed CASE" or
// "failed CASE: why" of each. Returns whether all passed.
export async function play(cases, only = [], say = console.log) {
  let passed = true;
  for (const name of only.length > 0 ? only : Object.keys(cases)) {
    try {
      await cases[name]();
      say(`passed ${name}`);
    } catch (error) {
      const line = /\w+\.mjs:\d+/g;
      const where = (error.stack ?? "").match(line)?.slice(0, 3).join(" < ");
      say(`failed ${name}: ${where}: ${String(error).replace(/\s+/g, " ")}`);
      passed = false;
    }
  }
  return passed;
}
