// Runs a federated server with what the command line gave, or what an earlier command line gave.
import { FederationError } from "@perennial-fl/core";
import type { DeltaPrecision } from "@perennial-fl/core";
import {
  BestLossTorchModuleCheckpointer,
  LatestTorchModuleCheckpointer,
  RetainingTorchModuleCheckpointer,
} from "@perennial-fl/checkpointer";
import type { Retention } from "@perennial-fl/checkpointer";
import { patience, startServer } from "@perennial-fl/server";
import type { Durability, Resume, ServerOptions } from "@perennial-fl/server";
import type { ExitCode } from "./exit-codes.js";
import { moduleOf, readGiven } from "./given-file.js";
import { saveRunRecord } from "./run-record.js";
import { runSession } from "./session.js";
import { checkRunDirectory } from "./state-directory.js";
import { strategyOf } from "./strategy-options.js";
import type { StrategyRates } from "./strategy-options.js";
import { serverView } from "./view.js";

/** What `perennial server` was given, by the names of its options. Plain data: it is kept with the run. */
export interface ServerArguments extends StrategyRates {
  readonly module: string;
  readonly rounds: number;
  readonly minClients: number;
  readonly stateDir: string;
  readonly address: string;
  /** A name, or the file of a strategy of one's own. */
  readonly strategy: string;
  readonly fractionFit: number;
  readonly fractionEvaluate: number;
  readonly late: "drop" | "stale";
  readonly compress?: DeltaPrecision;
  readonly roundTimeout?: number;
  readonly waitTimeout?: number;
  readonly patience?: number;
  readonly maxUpdateNorm?: number;
  readonly maxExamples?: number;
  readonly rejoinTimeout: number;
  readonly restartSeconds: number;
  readonly resume: Resume;
  readonly seed: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly durability: Durability;
  readonly keepStates?: Retention;
  readonly keepModules?: Retention;
}

/** How it is run this time. */
export interface Start {
  /** The file `module`. */
  readonly bytes: Uint8Array;
  /** Whether to say everything as JSON. */
  readonly json: boolean;
  readonly verbose?: boolean;
}

/**
 * Runs the server to its end, to a stop or to an error, with the model that was read from `given.module`. What it was
 * given is kept in the state directory, so that `perennial resume` needs nothing else.
 */
export async function serve(given: ServerArguments, { bytes, json, verbose = false }: Start): Promise<ExitCode> {
  const { stateDir } = given;
  // Everything that the person typed is looked at before the directory is touched.
  const strategy = await strategyOf(given);
  const tls = await tlsOf(given);
  const initialModel = moduleOf("--module", given.module, bytes);
  return runSession({
    view: serverView(process.stdout, json, process.env, verbose),
    stateDir,
    json,
    async work(show, signal, openDirectory) {
      if (given.resume === "require") await checkRunDirectory(stateDir);
      else await openDirectory();
      const report = (message: string): void => {
        show({ type: "warning", message });
      };
      const outcome = await startServer({
        address: given.address,
        numRounds: given.rounds,
        strategy,
        initialModel,
        stateDir,
        resume: given.resume,
        durability: given.durability,
        seed: given.seed,
        rejoinTimeoutMs: given.rejoinTimeout * 1000,
        restartSeconds: given.restartSeconds,
        checkpointers: [
          new BestLossTorchModuleCheckpointer(stateDir, "best.onnx", { report }),
          new LatestTorchModuleCheckpointer(stateDir, "latest.onnx", { report }),
          ...(given.keepModules
            ? [new RetainingTorchModuleCheckpointer(stateDir, "model.onnx", given.keepModules, { report })]
            : []),
        ],
        observe: show,
        onListening: async (bound) => {
          show({ type: "listening", address: bound });
          // Clients come back to the port that they knew.
          await saveRunRecord(stateDir, { given: { ...given, address: bound }, module: bytes });
        },
        signal,
        ...(given.roundTimeout !== undefined && { roundTimeoutMs: given.roundTimeout * 1000 }),
        ...(given.waitTimeout !== undefined && { waitTimeoutMs: given.waitTimeout * 1000 }),
        ...(given.patience !== undefined && { stopWhen: patience({ rounds: given.patience }) }),
        ...(given.maxUpdateNorm !== undefined && { maxUpdateNorm: given.maxUpdateNorm }),
        ...(given.maxExamples !== undefined && { maxExamples: { count: given.maxExamples, excess: "cap" } }),
        ...(given.keepStates && { keepStates: given.keepStates }),
        ...(tls && { tls }),
      });
      return outcome.finished;
    },
  });
}

async function tlsOf({ tlsCert, tlsKey }: ServerArguments): Promise<ServerOptions["tls"] | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    const missing = tlsCert === undefined ? "--tls-cert" : "--tls-key";
    throw new FederationError("argument/invalid", `TLS needs both --tls-cert and --tls-key, and ${missing} is missing`);
  }
  return { cert: await readGiven("--tls-cert", tlsCert), key: await readGiven("--tls-key", tlsKey) };
}
