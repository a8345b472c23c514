// The app file of `perennial train`: finds the data in it, and says what is wrong with one that has none.
import { FederationError } from "@perennial-fl/core";
import type { Dataset } from "@perennial-fl/trainer";
import { attempt, importApp } from "../app-file.js";

/** What a data app is told. */
export interface DataAppArguments {
  /** What stands after `--`. */
  readonly arguments: readonly string[];
}

/** The data of a training: a dataset alone, or one to train on and one to judge by. */
export type AppData = Dataset | { readonly train: Dataset; readonly validation?: Dataset };

/** What a data app file exports, as its default or as `data`. */
export type DataApp = AppData | ((given: DataAppArguments) => AppData | Promise<AppData>);

/** Throws `argument/invalid` if the file exports no data, and `client/failed` if it fails. */
export async function loadDatasets(
  path: string,
  appArguments: readonly string[],
): Promise<{ readonly train: Dataset; readonly validation?: Dataset }> {
  const module = await importApp(path);
  const exported = module["default"] ?? module["data"];
  if (exported === undefined) {
    const names = Object.keys(module).join(", ");
    const found = names === "" ? "it exports nothing" : `it exports ${names}`;
    throw invalid(`--app ${path} must export data as its default or as "data", and ${found}`);
  }
  const made =
    typeof exported === "function"
      ? await attempt(`making the data of --app ${path}`, () =>
          (exported as (given: DataAppArguments) => unknown)({ arguments: appArguments }),
        )
      : exported;
  if (isDataset(made)) return { train: made };
  const { train, validation } = (typeof made === "object" && made !== null ? made : {}) as Record<string, unknown>;
  if (!isDataset(train) || !(validation === undefined || isDataset(validation))) {
    throw invalid(`--app ${path} gives neither { inputs, targets } nor { train, validation } of such tensors`);
  }
  return { train, ...(validation !== undefined && { validation }) };
}

function isDataset(value: unknown): value is Dataset {
  if (typeof value !== "object" || value === null) return false;
  const { inputs, targets } = value as Record<string, unknown>;
  return [inputs, targets].every((held) => {
    const { dtype, shape, data } = (held ?? {}) as Record<string, unknown>;
    return typeof dtype === "string" && Array.isArray(shape) && ArrayBuffer.isView(data);
  });
}

function invalid(message: string): FederationError {
  return new FederationError("argument/invalid", message);
}
