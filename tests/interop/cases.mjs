// What the clients for Node share: payloads, and playing cases.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

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
  assert.ok(Buffer.from(size ? payload(size) : []).equals(bytes), "the payload arrived damaged");
}

export function asking(size, sizes = [], fields = {}) {
  return { payload: payload(size), sizes, ...fields };
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Plays the cases, an object of functions, or those that were asked for. Prints "passed CASE" or
// "failed CASE: why" for each, and ends the program.
export async function play(cases, only) {
  let failed = false;
  for (const name of only.length > 0 ? only : Object.keys(cases)) {
    try {
      await cases[name]();
      console.log("passed", name);
    } catch (error) {
      const line = /\w+\.mjs:\d+/g;
      const where = (error.stack ?? "").match(line)?.slice(0, 2).join(" < ");
      console.log(`failed ${name}: ${where}: ${String(error).replace(/\s+/g, " ")}`);
      failed = true;
    }
  }
  process.exit(failed ? 1 : 0);
}

export { assert, parseArgs };
