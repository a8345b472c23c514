// State dictionaries: everything that may be kept comes back equal, and everything else is refused by its path.
import { float32, tensor } from "@perennial-fl/core";
import type { Saved, SavedState } from "@perennial-fl/core";
import { expect } from "chai";
import fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { readSafetensors, writeSafetensors } from "../src/safetensors.js";
import { joined } from "../src/joined.js";
import { decodeState, encodeState } from "../src/state-file.js";
import { decodeValue, encodeValue, inlineElements } from "../src/state-values.js";
import type { Json } from "../src/state-values.js";
import { rejection } from "./temporary.js";

const fileOf = async (...given: Parameters<typeof encodeState>): Promise<Uint8Array> =>
  joined((await encodeState(...given)).pieces);
const throughFile = async (state: SavedState): Promise<SavedState> =>
  decodeState(await fileOf(state, 1, ""), "a test").state;
const throughJson = (state: SavedState): Saved =>
  decodeValue(JSON.parse(JSON.stringify(encodeValue(state, inlineElements))) as Json, inlineElements);

const views = fc.oneof(
  fc.uint8Array(),
  fc.int8Array(),
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
  fc.uint8Array().map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
);
const tensors = fc.oneof(
  fc.float32Array().map((data) => float32([data.length], data)),
  fc.bigInt64Array().map((data) => tensor("int64", [1, data.length], data)),
  fc.uint16Array().map((data) => tensor("float16", [data.length, 1], data)),
  fc.constant(tensor("bool", [], Uint8Array.of(1))),
);
const texts = fc.string({
  unit: fc.oneof(fc.constantFrom("\ud800", "\udfff", "$", "\u2028"), fc.string({ maxLength: 1 })),
});
const keys = fc.oneof(
  texts,
  fc.constantFrom("__proto__", "constructor", "toString", "$number", "$$tensor", "__metadata__", "dtype", "a.b"),
);
const { value: saved } = fc.letrec<{ value: Saved }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom<Saved>(null, true, false, NaN, -0, 0, Infinity, -Infinity),
    fc.double(),
    fc.bigInt(),
    texts,
    views,
    tensors,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(keys, tie("value")), { maxLength: 4 }).map((pairs) => Object.fromEntries<Saved>(pairs)),
  ),
}));
const states = fc.array(fc.tuple(keys, saved), { maxLength: 5 }).map((pairs) => Object.fromEntries<Saved>(pairs));

describe("a state dictionary", () => {
  it("comes back equal from a file and from a journal's entry, whatever is in it", async () => {
    await fc.assert(
      fc.asyncProperty(states, async (state) => {
        expect(isDeepStrictEqual(await throughFile(state), state)).to.be.true;
        expect(isDeepStrictEqual(throughJson(state), state)).to.be.true;
      }),
      { numRuns: 300 },
    );
  });

  it("gives the same bytes for the same state", async () => {
    await fc.assert(
      fc.asyncProperty(states, async (state) => {
        expect(await fileOf(state, 3, "x")).to.deep.equal(await fileOf(state, 3, "x"));
      }),
      { numRuns: 50 },
    );
  });

  it("does not touch a prototype, however its keys are called", async () => {
    const state = await throughFile(JSON.parse('{"__proto__": {"polluted": 1}}') as SavedState);
    expect(Object.keys(state)).to.deep.equal(["__proto__"]);
    expect(({} as { polluted?: number }).polluted).to.be.undefined;
    expect(Object.getPrototypeOf(state)).to.equal(Object.prototype);
  });

  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  let deep: unknown = 1;
  for (let i = 0; i < 300; i++) deep = [deep];
  const refusals: readonly (readonly [unknown, string])[] = [
    [{ optimizer: { fn: () => 0 } }, "state.optimizer.fn is a function"],
    [{ a: [1, Symbol("s")] }, "state.a[1] is a symbol"],
    [{ a: undefined }, "state.a is undefined"],
    [{ "a b": undefined }, 'state["a b"] is undefined'],
    [{ a: new Map() }, "state.a is an instance of Map"],
    [{ a: new Set() }, "state.a is an instance of Set"],
    [{ a: new Date(0) }, "state.a is an instance of Date"],
    [{ a: /x/ }, "state.a is an instance of RegExp"],
    [{ a: Promise.resolve() }, "state.a is an instance of Promise"],
    [
      {
        a: new (class Model {
          readonly layers = 1;
        })(),
      },
      "state.a is an instance of Model",
    ],
    [{ a: new ArrayBuffer(2) }, "state.a is an instance of ArrayBuffer"],
    [cyclic, "state.self contains itself"],
    [{ a: Object.assign([], { 2: 1 }) }, "state.a is an array with holes or named properties"],
    [{ a: Object.defineProperty({}, "x", { get: () => 1, enumerable: true }) }, "state.a.x is not a plain property"],
    [{ a: { [Symbol("s")]: 1 } }, "state.a has a symbol among its keys"],
    [{ deep }, `state.deep${"[0]".repeat(199)} is nested deeper than 200 levels`],
  ];
  for (const [value, message] of refusals) {
    it(`is refused when ${message.slice(0, 70)}`, async () => {
      const refused = encodeState(value as SavedState, 1, "");
      expect((await rejection(refused, "checkpoint/unsupported-value")).message).to.equal(message);
    });
  }
});

describe("a state file", () => {
  const state = { round: 3, parameters: [float32([2], [1, NaN])], deep: { mask: Uint8Array.of(1, 2, 3), name: "ü" } };
  let digest: string;
  let bytes: Uint8Array;
  before(async () => {
    const file = await encodeState(state, 7, "d".repeat(64));
    digest = file.digest;
    bytes = joined(file.pieces);
  });

  it("holds tensors under their paths, aligned, with its generation and the digest of the one before", () => {
    const file = readSafetensors(bytes, "a test");
    expect([...file.tensors.keys()]).to.deep.equal(["parameters[0]", "deep.mask"]);
    expect((8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))) % 64).to.equal(0);
    const { state: read, ...rest } = decodeState(bytes, "a test");
    expect(read).to.deep.equal(state);
    expect(rest).to.deep.equal({ generation: 7, previousDigest: "d".repeat(64), digest });
  });

  it("is found damaged whichever bit was flipped", async () => {
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await rejection(decoded(damaged), "checkpoint/corrupt");
    }
  });

  it("is found damaged wherever it was cut", async () => {
    for (let length = 0; length < bytes.byteLength; length++) {
      await rejection(decoded(bytes.slice(0, length)), "checkpoint/corrupt");
    }
  });

  it("is refused by name when a later version wrote it", async () => {
    const later = writeLater();
    const { message } = await rejection(decoded(later), "checkpoint/newer-version");
    expect(message).to.contain("has schema 2, and this version of Perennial reads schemas up to 1");
  });
});

async function decoded(bytes: Uint8Array): Promise<unknown> {
  return Promise.resolve(decodeState(bytes, "a test"));
}

function writeLater(): Uint8Array {
  return joined(writeSafetensors(new Map(), { "perennial.kind": "state", "perennial.schema": "2" }).pieces);
}
