// Describes durable files without changing them: what a file is, whether it is valid, and what it holds.
import { join } from "node:path";
import type { Parameters, Saved, SavedState, Tensor, TensorHeader } from "@perennial-fl/core";
import { FederationError, messageOf } from "@perennial-fl/core";
import { readLog } from "./directory-log.js";
import { nodeDisk } from "./node-disk.js";
import { entriesOf, journalName } from "./journal.js";
import type { ModuleFormat, ModuleRecord } from "./module-file.js";
import { decodeModule } from "./module-file.js";
import { isBlobName, temporaryPrefix } from "./names.js";
import { parametersSha256 } from "./parameters.js";
import { readWhole } from "./read-file.js";
import { readSafetensors } from "./safetensors.js";
import { decodeState } from "./state-file.js";

export interface NamedTensor extends TensorHeader {
  readonly name: string;
}

/** A state file. `run` and `round` are its entries of these names, the digest that of its entry `parameters`. */
export interface StateDescription {
  readonly kind: "state";
  readonly path: string;
  readonly generation: number;
  readonly digest: string;
  readonly previousDigest: string;
  readonly run?: string;
  readonly round?: number;
  readonly tensors: readonly NamedTensor[];
  readonly parametersSha256?: string;
  readonly state: SavedState;
}

/** A module's file. `sealed`: it carries a digest, which matches; a module of other origin has none. */
export interface ModuleDescription extends Partial<ModuleRecord> {
  readonly kind: "module";
  readonly path: string;
  readonly format: ModuleFormat;
  readonly sealed: boolean;
  readonly tensors: readonly NamedTensor[];
  readonly parametersSha256: string;
}

export interface JournalDescription {
  readonly kind: "journal";
  readonly path: string;
  readonly entries: readonly SavedState[];
  /** A last append was cut off by a crash; it was never acknowledged. */
  readonly torn: boolean;
}

/** A file that is damaged, of a newer version, or none of ours though it was asked for; `problem` says which. */
export interface InvalidDescription {
  readonly kind: "invalid";
  readonly path: string;
  readonly problem: string;
}

/** A file of somebody else's that stands beside ours. */
export interface UnknownDescription {
  readonly kind: "unknown";
  readonly path: string;
}

export type FileDescription =
  UnknownDescription | StateDescription | ModuleDescription | JournalDescription | InvalidDescription;

export interface DirectoryDescription {
  readonly kind: "directory";
  readonly path: string;
  readonly files: readonly FileDescription[];
  /** Results of the open round. */
  readonly blobs: readonly string[];
  /** What a killed process left half-written; removed by the next owner. */
  readonly temporaries: readonly string[];
}

/** Describes a file or a directory. Throws `checkpoint/missing` if nothing is at `path`. */
export async function describePath(path: string): Promise<FileDescription | DirectoryDescription> {
  const entry = await nodeDisk.stat(path);
  if (entry === undefined) throw new FederationError("checkpoint/missing", `there is nothing at ${path}`);
  return entry.kind === "directory" ? describeDirectory(path) : describeFile(path);
}

/** Describes every file of a directory. */
export async function describeDirectory(path: string): Promise<DirectoryDescription> {
  const names = [...(await nodeDisk.readdir(path))].sort();
  const files: FileDescription[] = [];
  for (const name of names) {
    if (isBlobName(name) || name.startsWith(".")) continue;
    const entry = await nodeDisk.stat(join(path, name));
    if (entry?.kind !== "file") continue;
    const file = name === journalName ? await describeJournal(path) : await describeFile(join(path, name));
    files.push(file.kind === "invalid" && isForeign(name) ? { kind: "unknown", path: file.path } : file);
  }
  return {
    kind: "directory",
    path,
    files,
    blobs: names.filter(isBlobName),
    temporaries: names.filter((name) => name.startsWith(temporaryPrefix)),
  };
}

/** Describes a state file or a module's file. A damaged one is described as such. */
export async function describeFile(path: string): Promise<FileDescription> {
  try {
    const bytes = await readWhole(nodeDisk, path);
    if (bytes === undefined) return { kind: "invalid", path, problem: `there is nothing at ${path}` };
    return isState(bytes) ? describeState(bytes, path) : describeModule(bytes, path);
  } catch (error) {
    return { kind: "invalid", path, problem: messageOf(error) };
  }
}

/**
 * Whether a name says that the file is not ours: by the ending of another format. One without any ending may be a
 * state file that is damaged beyond recognition, and silence about that would be worse than an alarm too many.
 */
function isForeign(name: string): boolean {
  const plain = name.replace(/(?:\.previous|\.corrupt-\d+)$/, "");
  return (
    plain === name &&
    /\.(?:csv|gz|html|js|json|log|md|npy|npz|out|pem|pid|png|py|sh|toml|ts|txt|ya?ml|zip)$/i.test(name)
  );
}

async function describeJournal(directory: string): Promise<JournalDescription | InvalidDescription> {
  const path = join(directory, journalName);
  try {
    const log = await readLog(nodeDisk, directory, journalName);
    const entries = entriesOf(log.records, path);
    return { kind: "journal", path, entries, torn: log.tail === "torn" };
  } catch (error) {
    return { kind: "invalid", path, problem: messageOf(error) };
  }
}

/** Whether the bytes claim to be a state file: decided before they are verified, so that the error speaks of one. */
function isState(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 512)).includes(
    '"perennial.kind":"state"',
  );
}

function describeState(bytes: Uint8Array, path: string): StateDescription {
  const { state, ...file } = decodeState(bytes, path);
  const { run, round, parameters } = state;
  return {
    kind: "state",
    path,
    ...file,
    ...(typeof run === "string" ? { run } : {}),
    ...(typeof round === "number" ? { round } : {}),
    tensors: [...readSafetensors(bytes, path).tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    ...(isParameters(parameters) ? { parametersSha256: parametersSha256(parameters) } : {}),
    state,
  };
}

function describeModule(bytes: Uint8Array, path: string): ModuleDescription {
  const { record, digest, names, parameters, format } = decodeModule(bytes, path);
  return {
    kind: "module",
    path,
    format,
    sealed: digest !== undefined,
    ...record,
    tensors: names.map((name, i) => ({ name, ...headerOf(parameters[i] as Tensor) })),
    parametersSha256: parametersSha256(parameters),
  };
}

function headerOf({ dtype, shape }: Tensor): TensorHeader {
  return { dtype, shape };
}

function isParameters(value: Saved | undefined): value is Parameters {
  if (!Array.isArray(value)) return false;
  return (value as readonly Saved[]).every(
    (each) => typeof each === "object" && each !== null && "dtype" in each && "data" in each,
  );
}
