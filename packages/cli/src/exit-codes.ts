// What the command's exit code says, and which error leads to which.
import { isFederationError } from "@perennial-fl/core";
import type { ErrorCode } from "@perennial-fl/core";

/** Every code that `perennial` exits with. */
export const exitCodes = {
  /** The run is over, or the thing inspected is sound. */
  finished: 0,
  /** A mistake in Perennial itself, or something it did not foresee. */
  unexpected: 1,
  /** An argument is missing, unknown or impossible. */
  usage: 2,
  /** The state directory holds another run than the one asked for, or none where one is required. */
  otherRun: 3,
  /** A model, checkpoint or data file is missing, damaged or unsuitable. */
  unusableFile: 4,
  /** The state directory cannot be used: missing, locked by another process, full, failing. */
  storage: 5,
  /** The address cannot be listened on, or the server cannot be reached or understood. */
  network: 6,
  /** The app, its training or the strategy failed. */
  failed: 7,
  /** Stopped by Ctrl-C (SIGINT); the same command resumes. */
  interrupted: 130,
  /** Stopped by SIGTERM; the same command resumes. */
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

type Prefix = ErrorCode extends infer Code ? (Code extends `${infer Part}/${string}` ? Part : never) : never;

const byPrefix: { readonly [P in Prefix]: ExitCode } = {
  argument: exitCodes.usage,
  checkpoint: exitCodes.unusableFile,
  client: exitCodes.failed,
  connection: exitCodes.network,
  data: exitCodes.unusableFile,
  model: exitCodes.unusableFile,
  plan: exitCodes.otherRun,
  resume: exitCodes.otherRun,
  server: exitCodes.network,
  storage: exitCodes.storage,
  strategy: exitCodes.failed,
  trainer: exitCodes.failed,
  wire: exitCodes.network,
};

/** The exit code of whatever was thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  return isFederationError(error) ? byPrefix[error.code.split("/")[0] as Prefix] : exitCodes.unexpected;
}

/** The exit code of a session that a signal ended. */
export function exitCodeOfSignal(signal: "SIGINT" | "SIGTERM"): ExitCode {
  return signal === "SIGINT" ? exitCodes.interrupted : exitCodes.terminated;
}
