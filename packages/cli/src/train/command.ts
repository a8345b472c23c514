// `perennial train`: trains or fine-tunes a module here, without a federation.
import { basename, dirname } from "node:path";
import { Command } from "commander";
import { LatestTorchModuleCheckpointer, parametersSha256 } from "@perennial-fl/checkpointer";
import { FederationError } from "@perennial-fl/core";
import { evaluationGraph, trainability } from "@perennial-fl/module";
import type { Loss, Obstacle, OnnxModule } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import type { Wanted } from "../data/conform.js";
import { openData } from "../data/open.js";
import type { DataArguments } from "../data/open.js";
import { datasetSha256 } from "../data/split.js";
import type { ExitCode } from "../exit-codes.js";
import { readModule } from "../given-file.js";
import { runSession } from "../session.js";
import { checkRunDirectory } from "../state-directory.js";
import { choice, fraction, integer, list, positive, rate, text, whole } from "../values.js";
import type { TrainEvent } from "./events.js";
import { lossOf, losses, optimizerNames, recipeOf, scheduleNames } from "./recipe.js";
import type { LossName, Recipe, RecipeArguments } from "./recipe.js";
import { trainLocally } from "./run.js";
import { trainView } from "./screen.js";
import type { ResumeRule, TrainPlan } from "./state.js";

interface TrainArguments extends DataArguments, RecipeArguments {
  readonly module: string;
  readonly stateDir: string;
  readonly out?: string;
  readonly loss: string;
  readonly batchSize: number;
  readonly freeze?: readonly string[];
  readonly bestBy: "accuracy" | "loss";
  readonly saveEvery?: number;
  readonly threads: number;
  readonly resume: ResumeRule;
  readonly json?: true;
}

/** The command; `appArguments` is what stood after `--`, and `exit` is told the code when training has ended. */
export function trainCommand(appArguments: readonly string[], exit: (code: ExitCode) => void): Command {
  const lossNames = Object.keys(losses) as LossName[];
  const file = (option: string) => text(option, "a file");
  return new Command("train")
    .description("train or fine-tune a module here; run again with the same directory, it goes on where it was")
    .usage("[options] [-- APP ARGUMENTS]")
    .requiredOption("--module <FILE.onnx>", "the module at the beginning", file("--module"))
    .requiredOption("--epochs <N>", "passes over the data, from the beginning", whole("--epochs", 1))
    .requiredOption(
      "--state-dir <DIR>",
      "where the training and best.onnx, latest.onnx are kept; created if its parent exists",
      text("--state-dir", "a directory"),
    )
    .option("--data <PATH>", "a .csv, a .safetensors, or a directory with inputs.npy and targets.npy", file("--data"))
    .option("--app <FILE.js>", "exports the data, or a function that makes them", file("--app"))
    .option("--label <COLUMN>", "the column of a .csv to be told (default: the last)", text("--label", "a column"))
    .option("--ignore <COLUMNS>", "columns of a .csv to leave out", list("--ignore"))
    .option("--classes <NAMES>", "names of the classes in the label column, in their order", list("--classes"))
    .option(
      "--validation <SHARE>",
      "held out to judge by, where no data are given for it",
      fraction("--validation"),
      0.1,
    )
    .option("--validation-data <PATH>", "judges instead", file("--validation-data"))
    .option(
      "--loss <NAME>",
      `one of ${lossNames.join(", ")}, or output:NAME`,
      text("--loss", "a loss"),
      "cross-entropy",
    )
    .option("--optimizer <NAME>", `one of ${optimizerNames.join(", ")}`, choice("--optimizer", optimizerNames), "adam")
    .option("--learning-rate <N>", "default: PyTorch's for the optimizer", positive("--learning-rate"))
    .option("--momentum <N>", "sgd, rmsprop: how much of the last step is kept", rate("--momentum", 1))
    .option("--weight-decay <N>", "pulls parameters towards 0", rate("--weight-decay"))
    .option("--clip-norm <N>", "the longest gradient that a step may follow", positive("--clip-norm"))
    .option(
      "--schedule <NAME>",
      `learning rate over time: ${scheduleNames.join(", ")}`,
      choice("--schedule", scheduleNames),
      "constant",
    )
    .option("--gamma <N>", "step, exponential: the factor (default: 0.1, 0.95)", positive("--gamma"))
    .option("--step-size <EPOCHS>", "step: how often (default: 10)", whole("--step-size", 1))
    .option("--warmup <STEPS>", "steps until the full learning rate", whole("--warmup", 1))
    .option("--batch-size <N>", "examples a step", whole("--batch-size", 1), 32)
    .option("--freeze <NAMES>", "parameters, or beginnings of their names, that stay as they are", list("--freeze"))
    .option("--best-by <WHAT>", "loss or accuracy decides best.onnx", choice("--best-by", ["loss", "accuracy"]), "loss")
    .option("--save-every <STEPS>", "saves within epochs too", whole("--save-every", 1))
    .option("--out <FILE.onnx>", "where the trained module goes in the end", file("--out"))
    .option("--threads <N>", "more can be faster, and gives other last bits", whole("--threads", 1), 1)
    .option("--seed <N>", "decides the order of examples, dropout, and who is held out", integer("--seed"), 0)
    .option(
      "--resume <HOW>",
      "auto: go on if there is a training; require: insist on one; never: refuse one",
      choice("--resume", ["auto", "require", "never"]),
      "auto",
    )
    .option("--json", "one JSON object a line")
    .action(async (given: TrainArguments) => {
      exit(await train(given, appArguments));
    });
}

async function train(given: TrainArguments, appArguments: readonly string[]): Promise<ExitCode> {
  const { stateDir, json = false, epochs, batchSize, seed, bestBy, threads } = given;
  // Everything that the person typed is looked at before the directory is touched.
  const recipe = recipeOf(given);
  const loss = lossOf(given.loss);
  if (bestBy === "accuracy" && loss.correct === undefined) {
    throw new FederationError("argument/invalid", `--best-by accuracy: the loss ${given.loss} knows no accuracy`);
  }
  const module = await readModule("--module", given.module);
  const frozen = frozenBy(given.freeze ?? [], module);
  const { obstacles, notes } = trainability(module);
  // What is frozen may be just what stands in the way; the trainer knows.
  if (given.freeze === undefined) requireTrainable(given.module, obstacles);
  const wanted = wantedOf(module, loss);
  return runSession<TrainEvent>({
    view: trainView(process.stdout, json, process.env),
    stateDir,
    json,
    async work(show, pause, openDirectory) {
      const data = await openData(given, wanted, appArguments);
      const out = outOf(given.out);
      await out?.check();
      const trainer = await openTrainer({ module, loss, optimizer: recipe.optimizer, frozen, threads });
      try {
        if (given.resume === "require") await checkRunDirectory(stateDir);
        else await openDirectory();
        const plan = planOf(given, module, loss, recipe, data);
        for (const message of notes) show({ type: "note", message });
        const { resume, saveEvery } = given;
        const options = { ...(saveEvery !== undefined && { saveEvery }), ...(out !== undefined && { out }) };
        const run = { module, data, recipe, plan, epochs, batchSize, seed, bestBy, stateDir, resume, ...options };
        return await trainLocally(run, trainer, show, pause);
      } finally {
        await trainer.close();
      }
    },
  });
}

/** Throws `model/unsupported`, with the first thing in the way and where to read of the others. */
function requireTrainable(path: string, [first, ...more]: readonly Obstacle[]): void {
  if (first === undefined) return;
  const others = more.length === 0 ? "" : ` (and ${more.length} more: perennial inspect ${path})`;
  const message = `training --module ${path}: ${first.where}: ${first.why}; ${first.remedy}${others}`;
  throw new FederationError("model/unsupported", message);
}

/** Throws `argument/invalid` for a name that no parameter begins with. */
function frozenBy(beginnings: readonly string[], { parameterNames }: OnnxModule): (parameter: string) => boolean {
  const stranger = beginnings.find((beginning) => !parameterNames.some((name) => name.startsWith(beginning)));
  if (stranger === undefined) return (name) => beginnings.some((beginning) => name.startsWith(beginning));
  const names = parameterNames.slice(0, 12).join(", ");
  throw new FederationError("argument/invalid", `--freeze ${stranger}: no parameter begins so, of [${names}]`);
}

/** What the module under the loss is fed. */
function wantedOf(module: OnnxModule, loss: Loss): Wanted {
  const { inputs, outputs } = evaluationGraph(module, { loss, batchSize: 1 });
  const { features, targets } = inputs;
  const classes = targets.dtype === "int64" && loss.output === undefined ? outputs.logits.shape[1] : undefined;
  return { inputs: features, targets, ignored: loss.ignoreIndex, ...(classes !== undefined && { classes }) };
}

function outOf(path: string | undefined): LatestTorchModuleCheckpointer | undefined {
  return path === undefined ? undefined : new LatestTorchModuleCheckpointer(dirname(path), basename(path));
}

function planOf(
  { batchSize, seed, threads, freeze = [], bestBy, validation, validationData }: TrainArguments,
  module: OnnxModule,
  loss: Loss,
  { text: recipe }: Recipe,
  data: Awaited<ReturnType<typeof openData>>,
): TrainPlan {
  // What was typed before what came of it: another seed is a better reason than the other data that it holds out.
  return {
    "--seed": String(seed),
    "--validation": validationData === undefined ? String(validation) : "other data",
    "--batch-size": String(batchSize),
    "--freeze": freeze.join(),
    "--best-by": bestBy,
    "--threads": String(threads),
    "the loss": loss.name,
    "the optimizer": recipe,
    "the parameters": parametersSha256(module.parameters),
    "the training data": datasetSha256(data.train),
    "the validation data": data.validation === undefined ? "none" : datasetSha256(data.validation),
  };
}
