// `perennial server`: runs a federated server over a state directory.
import { Command } from "commander";
import { FederationError, isFederationError } from "@perennial-fl/core";
import { BestLossTorchModuleCheckpointer, LatestTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import { OnnxModule } from "@perennial-fl/module";
import { patience, startServer } from "@perennial-fl/server";
import type { Resume, ServerOptions } from "@perennial-fl/server";
import { strategies } from "@perennial-fl/strategy";
import type { StrategyName } from "@perennial-fl/strategy";
import type { ExitCode } from "./exit-codes.js";
import { readGiven } from "./given-file.js";
import { runSession } from "./session.js";
import { checkRunDirectory } from "./state-directory.js";
import { strategyOf, strategyOptions } from "./strategy-options.js";
import type { StrategyRates } from "./strategy-options.js";
import { address, choice, fraction, integer, seconds, text, whole } from "./values.js";
import { serverView } from "./view.js";

interface ServerArguments extends StrategyRates {
  readonly module: string;
  readonly rounds: number;
  readonly minClients: number;
  readonly stateDir: string;
  readonly address: string;
  readonly strategy: StrategyName;
  readonly fractionFit: number;
  readonly fractionEvaluate: number;
  readonly roundTimeout?: number;
  readonly waitTimeout?: number;
  readonly patience?: number;
  readonly rejoinTimeout: number;
  readonly restartSeconds: number;
  readonly resume: Resume;
  readonly seed: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly json?: true;
}

/** The command; `exit` is told the code when the server has ended. */
export function serverCommand(exit: (code: ExitCode) => void): Command {
  const names = Object.keys(strategies) as StrategyName[];
  const command = new Command("server")
    .description("run a federated server; run again with the same directory, it goes on where it was")
    .requiredOption("--module <FILE.onnx>", "the global model at the beginning", text("--module", "a file"))
    .requiredOption("--rounds <N>", "rounds from the beginning of the run", whole("--rounds", 1))
    .requiredOption("--min-clients <K>", "clients that a round needs", whole("--min-clients", 1))
    .requiredOption(
      "--state-dir <DIR>",
      "where the run is kept; created if its parent exists",
      text("--state-dir", "a directory"),
    )
    .option("--address <HOST:PORT>", "where to listen; port 0 takes a free one", address("--address", 0), "[::]:8080")
    .option("--strategy <NAME>", `one of ${names.join(", ")}`, choice("--strategy", names), "fedavg" as StrategyName)
    .option("--fraction-fit <SHARE>", "share of the clients that trains in a round", fraction("--fraction-fit"), 1)
    .option("--fraction-evaluate <SHARE>", "share that evaluates; 0 skips it", fraction("--fraction-evaluate"), 1)
    .option("--round-timeout <SECONDS>", "leaves out who has not answered by then", seconds("--round-timeout"))
    .option("--wait-timeout <SECONDS>", "gives up when too few clients come by then", seconds("--wait-timeout"))
    .option("--patience <ROUNDS>", "ends the run after so many rounds without a better loss", whole("--patience", 1))
    .option("--rejoin-timeout <SECONDS>", "how long a lost client is expected back", seconds("--rejoin-timeout"), 300)
    .option("--restart-seconds <SECONDS>", "how long clients stay away after Ctrl-C", whole("--restart-seconds", 1), 10)
    .option(
      "--resume <HOW>",
      "auto: go on if there is a run; require: insist on one; never: refuse one",
      choice("--resume", ["auto", "require", "never"] as const),
      "auto" as Resume,
    )
    .option("--seed <N>", "decides which clients are drawn", integer("--seed"), 0)
    .option("--tls-cert <FILE.pem>", "the server's certificate", text("--tls-cert", "a file"))
    .option("--tls-key <FILE.pem>", "its private key", text("--tls-key", "a file"))
    .option("--json", "one JSON object a line");
  for (const option of strategyOptions()) command.addOption(option);
  return command.action(async (given: ServerArguments) => {
    exit(await serve(given));
  });
}

async function serve(given: ServerArguments): Promise<ExitCode> {
  const { stateDir, json = false } = given;
  // Everything that the person typed is looked at before the directory is touched.
  const strategy = strategyOf(given);
  const tls = await tlsOf(given);
  const initialModel = await readModule(given.module);
  return runSession({
    view: serverView(process.stdout, json, process.env),
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
        seed: given.seed,
        rejoinTimeoutMs: given.rejoinTimeout * 1000,
        restartSeconds: given.restartSeconds,
        checkpointers: [
          new BestLossTorchModuleCheckpointer(stateDir, "best.onnx", { report }),
          new LatestTorchModuleCheckpointer(stateDir, "latest.onnx", { report }),
        ],
        observe: show,
        onListening: (bound) => {
          show({ type: "listening", address: bound });
        },
        signal,
        ...(given.roundTimeout !== undefined && { roundTimeoutMs: given.roundTimeout * 1000 }),
        ...(given.waitTimeout !== undefined && { waitTimeoutMs: given.waitTimeout * 1000 }),
        ...(given.patience !== undefined && { stopWhen: patience({ rounds: given.patience }) }),
        ...(tls && { tls }),
      });
      return outcome.finished;
    },
  });
}

/** The module of the file. What is wrong with it is told together with the path. */
async function readModule(path: string): Promise<OnnxModule> {
  const bytes = await readGiven("--module", path);
  try {
    return OnnxModule.fromBytes(bytes);
  } catch (error) {
    if (!isFederationError(error)) throw error;
    throw new FederationError(error.code, `reading --module ${path}: ${error.message}`, { cause: error });
  }
}

async function tlsOf({ tlsCert, tlsKey }: ServerArguments): Promise<ServerOptions["tls"] | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    const missing = tlsCert === undefined ? "--tls-cert" : "--tls-key";
    throw new FederationError("argument/invalid", `TLS needs both --tls-cert and --tls-key, and ${missing} is missing`);
  }
  return { cert: await readGiven("--tls-cert", tlsCert), key: await readGiven("--tls-key", tlsKey) };
}
