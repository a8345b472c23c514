// A module as one checkpoint file, with what is known of it inside: so the model and its score cannot disagree.
import { createHash } from "node:crypto";
import type { Parameters, Tensor } from "@perennial-fl/core";
import { FederationError, messageOf, tensorFromBytes } from "@perennial-fl/core";
import { OnnxModule } from "@perennial-fl/module";
import type { FileTensor } from "./safetensors.js";
import { joined } from "./joined.js";
import { digestKey, noDigest, readSafetensors, writeSafetensors } from "./safetensors.js";
import { checkSchema } from "./state-file.js";

/** `onnx`: the whole module. `safetensors`: its parameters under their names, which are PyTorch's state_dict names. */
export type ModuleFormat = "onnx" | "safetensors";

/** Counts up when older programs could misread the metadata. */
const moduleSchema = 1;

/** What a checkpointer writes into its file. `round` and `run` are the module's own, from its metadata. */
export interface ModuleScore {
  /** Which kind of checkpointer wrote the file. */
  readonly checkpointer: string;
  readonly loss: number;
  /** Absent when the checkpointer does not score. */
  readonly score?: number;
  readonly maximize?: boolean;
}

export interface ModuleRecord extends ModuleScore {
  readonly run?: string;
  readonly round?: number;
}

/** A checkpoint that was read and verified. */
export type ModuleFile = {
  /** `undefined` in a file that no checkpointer wrote. */
  readonly record: ModuleRecord | undefined;
  /** `undefined` in a file that no checkpointer wrote. */
  readonly digest: string | undefined;
  readonly names: readonly string[];
  readonly parameters: Parameters;
} & ({ readonly format: "onnx"; readonly module: OnnxModule } | { readonly format: "safetensors" });

/** The bytes of a module's checkpoint. The same module and score give the same bytes. */
export function encodeModule(module: OnnxModule, score: ModuleScore, format: ModuleFormat): Uint8Array {
  const metadata = {
    "perennial.kind": "module",
    "perennial.schema": String(moduleSchema),
    "perennial.checkpointer": score.checkpointer,
    "perennial.loss": numberText(score.loss),
    // An empty text, because a module that was loaded from a checkpoint brings the score of that one.
    "perennial.score": score.score === undefined ? "" : numberText(score.score),
    "perennial.maximize": score.maximize === undefined ? "" : String(score.maximize),
  };
  if (format === "safetensors") {
    const tensors = module.parameterNames.map((name, i): [string, Tensor] => [name, module.parameters[i] as Tensor]);
    return joined(
      writeSafetensors(new Map(tensors), { ...module.metadata, ...metadata, [digestKey]: noDigest }).pieces,
    );
  }
  const bytes = module.withMetadata({ ...metadata, [digestKey]: noDigest }).toBytes();
  const at = digestPosition(bytes, noDigest);
  if (at < 0)
    throw new FederationError("checkpoint/save-failed", "the module's metadata holds the key of a digest twice");
  const digest = createHash("sha256").update(bytes).digest("hex");
  bytes.set(Buffer.from(digest), at);
  return bytes;
}

/** Reads a checkpoint. Throws `checkpoint/corrupt` or `checkpoint/newer-version`; `what` names it in the message. */
export function decodeModule(bytes: Uint8Array, what: string): ModuleFile {
  if (looksPickled(bytes)) {
    throw new FederationError(
      "checkpoint/corrupt",
      `${what} is a pickle or a zip archive, as torch.save writes; loading one could run code. Export it to ONNX`,
    );
  }
  return bytes[8] === 0x7b && bytes[7] === 0 && bytes[6] === 0
    ? decodeSafetensors(bytes, what)
    : decodeOnnx(bytes, what);
}

function decodeOnnx(bytes: Uint8Array, what: string): ModuleFile {
  let module: OnnxModule;
  try {
    module = OnnxModule.fromBytes(bytes);
  } catch (error) {
    throw new FederationError("checkpoint/corrupt", `${what} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const digest = module.metadata[digestKey];
  if (digest !== undefined && digestOf(bytes, digest) !== digest) {
    throw new FederationError("checkpoint/corrupt", `${what} is damaged: its digest does not match its bytes`);
  }
  const record = recordOf(module.metadata, digest, what);
  return { format: "onnx", module, record, digest, names: module.parameterNames, parameters: module.parameters };
}

function decodeSafetensors(bytes: Uint8Array, what: string): ModuleFile {
  const { metadata, tensors, digest } = readSafetensors(bytes, what);
  const record = recordOf(metadata, digest, what);
  const parameter = ({ dtype, shape, bytes: elements }: FileTensor): Tensor =>
    tensorFromBytes(dtype, shape, elements.slice());
  const { names, parameters } = { names: [...tensors.keys()], parameters: [...tensors.values()].map(parameter) };
  return { format: "safetensors", record, digest, names, parameters };
}

function recordOf(
  metadata: Readonly<Record<string, string>>,
  digest: string | undefined,
  what: string,
): ModuleRecord | undefined {
  const checkpointer = metadata["perennial.checkpointer"];
  if (digest === undefined) {
    if (checkpointer === undefined) return undefined;
    throw new FederationError("checkpoint/corrupt", `${what} is damaged: it has no digest`);
  }
  checkSchema(metadata["perennial.schema"], moduleSchema, what);
  if (metadata["perennial.kind"] !== "module" || checkpointer === undefined) {
    throw new FederationError("checkpoint/corrupt", `${what} is not the checkpoint of a module`);
  }
  const { "perennial.score": score = "", "perennial.maximize": maximize = "" } = metadata;
  const { "perennial.run": run, "perennial.round": round } = metadata;
  return {
    checkpointer,
    loss: Number(metadata["perennial.loss"]),
    ...(score === "" ? {} : { score: Number(score) }),
    ...(maximize === "" ? {} : { maximize: maximize === "true" }),
    ...(run === undefined ? {} : { run }),
    ...(round === undefined ? {} : { round: Number(round) }),
  };
}

function digestOf(bytes: Uint8Array, digest: string): string | undefined {
  const at = digestPosition(bytes, digest);
  if (at < 0) return undefined;
  const hash = createHash("sha256").update(bytes.subarray(0, at)).update(noDigest);
  return hash.update(bytes.subarray(at + noDigest.length)).digest("hex");
}

/** Where the digest's characters lie in an ONNX file, or -1 unless that is certain. */
function digestPosition(bytes: Uint8Array, digest: string): number {
  // An entry of ONNX's metadata is its key, the tag of field 2 (0x12), the length of the value (64), the value.
  const entry = Buffer.concat([Buffer.from(digestKey), Buffer.of(0x12, noDigest.length), Buffer.from(digest)]);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = file.indexOf(entry);
  return at < 0 || file.indexOf(entry, at + 1) >= 0 ? -1 : at + entry.length - noDigest.length;
}

function looksPickled(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  return (first === 0x80 && second !== undefined && second <= 5) || (first === 0x50 && second === 0x4b);
}

/** A number's text that `Number` reads back, -0 too. */
function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
