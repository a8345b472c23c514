// `perennial simulate`: a whole federation in this process, with virtual clients that really train.
import { cpus } from "node:os";
import { Command } from "commander";
import { BestLossTorchModuleCheckpointer, LatestTorchModuleCheckpointer } from "@perennial-fl/checkpointer";
import { FederationError } from "@perennial-fl/core";
import type { Resume } from "@perennial-fl/server";
import { runVirtualFederation } from "@perennial-fl/simulation";
import { strategies } from "@perennial-fl/strategy";
import type { Strategy } from "@perennial-fl/strategy";
import type { ExitCode } from "../exit-codes.js";
import { readModule } from "../given-file.js";
import { runSession } from "../session.js";
import { checkRunDirectory } from "../state-directory.js";
import { nameOrFile, strategyOf, strategyOptions } from "../strategy-options.js";
import type { StrategyRates } from "../strategy-options.js";
import { lossOf, losses, optimizerNames, recipeOf } from "../train/recipe.js";
import type { OptimizerName } from "../train/recipe.js";
import { choice, fraction, integer, list, positive, rate, text, whole } from "../values.js";
import { appParticipants, trainingParticipants } from "./participants.js";
import type { TrainedHere } from "./participants.js";
import { partitionNames } from "./partition-options.js";
import { simulateView } from "./view.js";
import type { SimulateEvent } from "./view.js";

interface SimulateArguments extends Omit<StrategyRates, "learningRate">, TrainedHere {
  readonly module: string;
  readonly rounds: number;
  readonly stateDir: string;
  readonly app?: string;
  readonly loss: string;
  readonly optimizer: OptimizerName;
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly strategy: string;
  readonly fractionFit: number;
  readonly fractionEvaluate: number;
  readonly resume: Resume;
  readonly json?: true;
}

/** The command; `appArguments` is what stood after `--`, and `exit` is told the code when the run has ended. */
export function simulateCommand(appArguments: readonly string[], exit: (code: ExitCode) => void): Command {
  const file = (option: string) => text(option, "a file");
  const command = new Command("simulate")
    .description("run a whole federation here, with virtual clients that really train; run again, it goes on")
    .usage("[options] [-- APP ARGUMENTS]")
    .requiredOption("--module <FILE.onnx>", "the global model at the beginning", file("--module"))
    .requiredOption("--rounds <N>", "rounds from the beginning of the run", whole("--rounds", 1))
    .requiredOption(
      "--state-dir <DIR>",
      "where the run is kept; created if its parent exists",
      text("--state-dir", "a directory"),
    )
    .option(
      "--clients <N>",
      "how many clients; with --partition key one for each key unless fewer",
      whole("--clients", 1),
    )
    .option(
      "--data <PATH>",
      "divided among them: a .csv, a .safetensors, or a directory with inputs.npy and targets.npy",
      file("--data"),
    )
    .option("--data-app <FILE.js>", "exports the data, or a function that makes them", file("--data-app"))
    .option(
      "--app <FILE.js>",
      "makes each client instead, as for perennial client; {client} and {clients} in its arguments are numbers",
      file("--app"),
    )
    .option(
      "--partition <NAME>",
      `how the data are divided: ${partitionNames.join(", ")}`,
      choice("--partition", partitionNames),
      "iid",
    )
    .option(
      "--alpha <N>",
      "dirichlet: the smaller, the more a label is one client's (default: 0.5)",
      positive("--alpha"),
    )
    .option("--shards <N>", "label: ranges of labels a client (default: 2)", whole("--shards", 1))
    .option("--exponent <N>", "size: how fast sizes fall (default: 1)", rate("--exponent"))
    .option("--key <COLUMN>", "key: the column of a .csv that says whose an example is", text("--key", "a column"))
    .option("--label <COLUMN>", "the column of a .csv to be told (default: the last)", text("--label", "a column"))
    .option("--ignore <COLUMNS>", "columns of a .csv to leave out", list("--ignore"))
    .option("--classes <NAMES>", "names of the classes in the label column, in their order", list("--classes"))
    .option("--validation <SHARE>", "what each client holds out to evaluate on", fraction("--validation"), 0.1)
    .option(
      "--loss <NAME>",
      `one of ${Object.keys(losses).join(", ")}, or output:NAME`,
      text("--loss", "a loss"),
      "cross-entropy",
    )
    .option("--optimizer <NAME>", `one of ${optimizerNames.join(", ")}`, choice("--optimizer", optimizerNames), "sgd")
    .option("--learning-rate <N>", "the clients' (default: PyTorch's for the optimizer)", positive("--learning-rate"))
    .option("--momentum <N>", "sgd, rmsprop: how much of the last step is kept", rate("--momentum", 1))
    .option("--weight-decay <N>", "pulls parameters towards 0", rate("--weight-decay"))
    .option("--epochs <N>", "passes of a client over its data in a round", whole("--epochs", 1), 1)
    .option("--batch-size <N>", "examples a step", whole("--batch-size", 1), 32)
    .option(
      "--strategy <NAME>",
      `one of ${Object.keys(strategies).join(", ")}, or your own: FILE.js`,
      nameOrFile,
      "fedavg",
    )
    .option("--fraction-fit <SHARE>", "share of the clients that trains in a round", fraction("--fraction-fit"), 1)
    .option("--fraction-evaluate <SHARE>", "share that evaluates; 0 skips it", fraction("--fraction-evaluate"), 1)
    .option("--at-once <N>", "clients that train at one time", whole("--at-once", 1), cpus().length)
    .option(
      "--resume <HOW>",
      "auto: go on if there is a run; require: insist on one; never: refuse one",
      choice("--resume", ["auto", "require", "never"] as const),
      "auto",
    )
    .option("--seed <N>", "decides who has what, who is drawn, and the order of examples", integer("--seed"), 0)
    .option("--json", "one JSON object a line");
  for (const option of strategyOptions()) if (option.long !== "--learning-rate") command.addOption(option);
  return command.action(async (given: SimulateArguments) => {
    exit(await simulate(given, appArguments));
  });
}

async function simulate(given: SimulateArguments, appArguments: readonly string[]): Promise<ExitCode> {
  const { stateDir, app, json = false, learningRate, seed, rounds, ...rest } = given;
  const module = await readModule("--module", given.module);
  const loss = lossOf(given.loss);
  const recipe = recipeOf({ ...rest, schedule: "constant", ...(learningRate !== undefined && { learningRate }) });
  if (given.strategy === "scaffold") {
    throw new FederationError(
      "argument/invalid",
      "--strategy scaffold needs clients of its own kind: give them with --app",
    );
  }
  const training = { module, loss, optimizer: recipe.optimizer };
  const trained: { readonly [name: string]: string } =
    app === undefined
      ? { training: `${loss.name}, ${recipe.text}, ${given.epochs} epochs of batches of ${given.batchSize}` }
      : {};
  return runSession<SimulateEvent>({
    view: simulateView(process.stdout, json, process.env),
    stateDir,
    json,
    async work(show, signal, openDirectory) {
      const open = async (): Promise<void> => {
        if (given.resume === "require") await checkRunDirectory(stateDir);
        else await openDirectory();
      };
      if (app !== undefined) await open();
      const made =
        app === undefined
          ? await trainingParticipants(given, training, appArguments)
          : await appParticipants(app, given.clients, stateDir, appArguments);
      try {
        const clients = made.participants.length;
        // Without examples to judge by, nobody is asked to.
        const evaluates = app !== undefined || given.validation > 0;
        const strategy = await strategyOf({
          ...rest,
          late: "drop",
          minClients: 1,
          fractionEvaluate: evaluates ? given.fractionEvaluate : 0,
        });
        if (app === undefined) await open();
        if (made.shares.length > 0) show({ type: "partitioned", clients: made.shares });
        const report = (message: string): void => {
          show({ type: "warning", message });
        };
        const outcome = await runVirtualFederation({
          participants: made.participants,
          atOnce: given.atOnce,
          numRounds: rounds,
          strategy: planned(strategy, clients, { ...trained, ...made.facts }),
          initialModel: module,
          stateDir,
          resume: given.resume,
          seed,
          checkpointers: [
            new BestLossTorchModuleCheckpointer(stateDir, "best.onnx", { report }),
            new LatestTorchModuleCheckpointer(stateDir, "latest.onnx", { report }),
          ],
          observe: show,
          signal,
        });
        return outcome.finished;
      } finally {
        await made.close();
      }
    },
  });
}

/**
 * Everyone is here in a moment, so a round waits for all: who is drawn depends on the seed alone. What else shapes the
 * results is part of the plan, so that a run is not resumed with other data.
 */
function planned(strategy: Strategy, clients: number, facts: { readonly [name: string]: string }): Strategy {
  return {
    ...strategy,
    plan: { ...strategy.plan, ...facts },
    selectFit: { ...strategy.selectFit, minAvailable: clients },
  };
}
