// The data that options name: a table, a pair of tensors, or what an app file gives.
import { stat } from "node:fs/promises";
import { FederationError } from "@perennial-fl/core";
import type { Dataset } from "@perennial-fl/trainer";
import { readGiven, reason } from "../given-file.js";
import { loadDatasets } from "./app.js";
import { conform } from "./conform.js";
import type { Wanted } from "./conform.js";
import { readTable } from "./csv.js";
import type { TableOptions } from "./csv.js";
import { split } from "./split.js";
import type { Split } from "./split.js";
import { readNpyPair, readSafetensorsPair } from "./tensors.js";

export interface DataArguments {
  readonly data?: string;
  readonly app?: string;
  readonly validationData?: string;
  /** The share that is held out where no data of their own judge. */
  readonly validation: number;
  readonly label?: string;
  readonly ignore?: readonly string[];
  readonly classes?: readonly string[];
  readonly seed: number;
}

/** Throws `argument/invalid` for options that do not go together, and `data/invalid`. */
export async function openData(given: DataArguments, wanted: Wanted, appArguments: readonly string[]): Promise<Split> {
  const { data, app, validationData, validation, seed } = given;
  if ((data === undefined) === (app === undefined)) {
    throw new FederationError(
      "argument/invalid",
      `the data come from --data or from --app, and ${data === undefined ? "neither was" : "both were"} given`,
    );
  }
  if (app !== undefined) {
    const loaded = await loadDatasets(app, appArguments);
    const train = conform(loaded.train, wanted, `the train data of --app ${app}`);
    if (loaded.validation === undefined) return split(train, validation, seed);
    return { train, validation: conform(loaded.validation, wanted, `the validation data of --app ${app}`) };
  }
  const train = await readData("--data", data as string, given, wanted);
  if (validationData === undefined) return split(train, validation, seed);
  return { train, validation: await readData("--validation-data", validationData, given, wanted) };
}

async function readData(option: string, path: string, given: DataArguments, wanted: Wanted): Promise<Dataset> {
  const what = `${option} ${path}`;
  const found = await stat(path).catch((error: unknown) => {
    throw new FederationError("data/invalid", `reading ${what}: ${reason(error)}`);
  });
  if (found.isDirectory()) return conform(await readNpyPair(path, what), wanted, what);
  if (path.endsWith(".safetensors"))
    return conform(readSafetensorsPair(await readGiven(option, path), what), wanted, what);
  if (!/\.(csv|txt)$/i.test(path)) {
    const known = "a .csv or .safetensors file, or a directory with inputs.npy and targets.npy";
    throw new FederationError("data/invalid", `reading ${what}: data are ${known}`);
  }
  const table = readTable(new TextDecoder().decode(await readGiven(option, path)), tableOptions(given, wanted), what);
  const takes = wanted.inputs.shape.slice(1);
  const count = takes.reduce((product, length) => product * length, 1);
  if (table.columns.length !== count) {
    const has = `it has ${table.columns.length} columns beside the label [${table.columns.join(", ")}]`;
    const needs = `the module takes ${count} numbers an example, of shape [${takes.join(", ")}]`;
    throw new FederationError("data/invalid", `reading ${what}: ${has}, and ${needs}; see --ignore and --label`);
  }
  return conform(table, wanted, what);
}

function tableOptions({ label, ignore, classes }: DataArguments, wanted: Wanted): TableOptions {
  return {
    labelsAreClasses: wanted.targets.dtype === "int64",
    classCount: wanted.classes,
    ...(label !== undefined && { label }),
    ...(ignore !== undefined && { ignore }),
    ...(classes !== undefined && { classes }),
  };
}
