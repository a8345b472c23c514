// Messages on the wire: the bytes of real Flower peers, round trips against protobufjs, and what is refused.
import { expect } from "chai";
import fc from "fast-check";
import { execFileSync } from "node:child_process";
import protobuf from "protobufjs";
import { float, float32, isFederationError, memorySink } from "@perennial-fl/core";
import type { Reply, Scalar } from "@perennial-fl/core";
import descriptor from "../src/generated/transport-descriptor.js";
import { decodeClientMessage, encodeReply } from "../src/wire/client-message.js";
import { pourParameters } from "../src/wire/parameters.js";
import { decodeServerMessage, encodeInstruction, encodeInstructionPieces } from "../src/wire/server-message.js";

const root = protobuf.Root.fromJSON(descriptor as unknown as protobuf.INamespace);
const serverMessage = root.lookupType("flwr.proto.ServerMessage");
const clientMessage = root.lookupType("flwr.proto.ClientMessage");
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Buffer => Buffer.from(text, "hex");

describe("messages on the wire", () => {
  it("are the bytes that real Flower peers send", () => {
    expect(hex(encodeInstruction({ type: "reconnect", seconds: 0 }))).to.equal("0a00");
    expect(hex(encodeInstruction({ type: "reconnect", seconds: 2 }))).to.equal("0a020802");
    expect(hex(encodeInstruction({ type: "parameters", config: {} }))).to.equal("1a00");
    const evaluated = { type: "evaluate", loss: 0.25, numExamples: 10, metrics: { acc: 0.5 } } as const;
    const golden = "2a240a09120753756363657373150000803e180a22100a03616363120909000000000000e03f";
    expect(hex(encodeReply(evaluated, "evaluate"))).to.equal(golden);
    expect({ ...decodeClientMessage(bytes(golden)), metrics: {} }).to.deep.equal({ ...evaluated, metrics: {} });
    const bare = encodeReply({ ...evaluated, loss: 0.5, metrics: {} }, "evaluate");
    expect(hex(bare)).to.equal("2a120a09120753756363657373150000003f180a");
    const zero = encodeInstruction({ type: "properties", config: { i: 0 } });
    expect(hex(zero)).to.equal("12090a070a016912024000");
  });

  it("are read by protobufjs as what was written, whatever the scalars", () => {
    const scalar: fc.Arbitrary<Scalar> = fc.oneof(
      fc.boolean(),
      fc.integer(),
      fc.double(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array(),
      fc.double().map(float),
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), scalar),
        fc.maxSafeInteger(),
        (metrics, numExamples) => {
          const encoded = encodeReply({ type: "fit", update: [], numExamples, metrics }, "fit");
          const again = clientMessage.encode(clientMessage.decode(encoded)).finish();
          const [ours, theirs] = [decodeClientMessage(encoded), decodeClientMessage(again)];
          expect(theirs).to.deep.equal(ours);
          const read = (ours as Extract<Reply<unknown>, { type: "fit" }>).metrics;
          expect(Object.keys(read).sort()).to.deep.equal(Object.keys(metrics).sort());
          for (const [name, value] of Object.entries(metrics)) expect(read[name]).to.deep.equal(received(value));
        },
      ),
    );
  });

  it("carry the key under one reserved name, which the reader takes out", () => {
    const key = { run: "r", round: 3, attempt: 1, phase: "fit" } as const;
    const message = encodeInstruction({ type: "fit", key, parameters: [], config: { a: 1 } });
    const seen = serverMessage.toObject(serverMessage.decode(message)) as {
      fitIns: { config: Record<string, unknown> };
    };
    expect(Object.keys(seen.fitIns.config).sort()).to.deep.equal(["a", "perennial.key"]);
    const instruction = decodeServerMessage(message);
    expect(instruction).to.have.property("key").that.deep.equals(key);
    expect(Object.keys("config" in instruction ? instruction.config : {})).to.deep.equal(["a"]);
  });

  it("encode the same parameters once, for equal and for different configurations", () => {
    const parameters = [float32([2], [1, 2])];
    const message = encodeInstruction({ type: "fit", parameters, config: { a: 1 } });
    expect(encodeInstruction({ type: "fit", parameters, config: { a: 1 } })).to.equal(message);
    const other = { type: "evaluate", parameters, config: { b: "x" } } as const;
    expect(encodeInstruction(other)).to.not.equal(message);
    // In pieces nothing is copied at all: they show the tensors' own memory.
    const elements = parameters[0]?.data.buffer;
    expect(encodeInstructionPieces(other).filter(({ buffer }) => buffer === elements)).to.have.length(1);
    expect(Buffer.concat(encodeInstructionPieces(other)).equals(encodeInstruction(other))).to.equal(true);
  });

  it("say of what cannot be read which field it is in", () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ["", /ClientMessage holds no answer/],
      ["22", /ClientMessage ends 1 bytes too early/],
      ["22021a00", /fit_res\.num_examples is a bytes, not an integer/],
      ["220a18ffffffffffffffff7f", /fit_res\.num_examples is 9223372036854775807, beyond 2\^53/],
      ["220722050a01611200", /fit_res\.metrics\["a"\] is a Scalar without a value/],
      ["2a021000", /evaluate_res\.loss is a varint/],
      ["0b", /field with the tag 11/],
    ];
    for (const [message, expected] of cases) {
      expect(() => decodeClientMessage(bytes(message)), message).to.throw(expected);
    }
  });

  it("refuse names that would reach a prototype", () => {
    for (const name of ["__proto__", "constructor", "prototype"]) {
      const metrics = Object.fromEntries([[name, { bool: true }]]);
      const message = clientMessage.encode(clientMessage.create({ fitRes: { metrics } })).finish();
      if (name !== "__proto__") expect(() => decodeClientMessage(message)).to.throw(`an entry named ${name}`);
      const reply = { type: "properties", properties: Object.fromEntries([[name, 1]]) } as const;
      expect(() => encodeReply(reply, "properties")).to.throw(name);
    }
    expect(({} as Record<string, unknown>)["bool"]).to.equal(undefined);
  });

  it("never fail otherwise than as wire errors, whatever the bytes", () => {
    const whole = encodeReply(
      { type: "fit", update: [float32([2], [1, 2])], numExamples: 3, metrics: { a: 1 } },
      "fit",
    );
    const mutation = fc.tuple(fc.nat(whole.byteLength - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 5 }), fc.nat(whole.byteLength), (changes, length) => {
        const message = Buffer.from(whole.subarray(0, length));
        for (const [at, byte] of changes) if (at < length) message[at] = byte;
        try {
          decodeClientMessage(message);
        } catch (error) {
          expect(isFederationError(error, "wire/malformed"), String(error)).to.equal(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("refuse a tensor_type that is not numpy's, by name", async () => {
    const received = { files: [Uint8Array.of(1)], tensorType: "numpy.nda" };
    const error: unknown = await pourParameters(received, "fit_res.parameters", memorySink()).catch((e: unknown) => e);
    expect(error).to.have.property("code", "wire/unsupported");
    expect(error).to.have.property("message").that.contains("numpy.nda");
  });

  it("are described by the .proto file as it is now", () => {
    execFileSync(process.execPath, ["tools/proto.mjs", "--check"], { stdio: "pipe" });
  });
});

/** A scalar as its reader sees it. */
function received(scalar: Scalar): Scalar {
  if (typeof scalar === "bigint") return Number.isSafeInteger(Number(scalar)) ? Number(scalar) : scalar;
  return typeof scalar === "object" && "float" in scalar ? scalar.float : scalar;
}
