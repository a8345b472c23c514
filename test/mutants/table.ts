// The deliberate defects, all of them: each file beside this one has those of a subject.
import { clientMutants } from "./clients.js";
import { durableFileMutants } from "./durable-files.js";
import { durableMutants } from "./durable.js";
import { serverMutants } from "./server.js";
import { strategyMutants } from "./strategies.js";
import { trainingMutants } from "./training.js";
import { transferMutants } from "./transfer.js";
import { transportMutants } from "./transport.js";
import { weatherMutants } from "./weather.js";
import type { Mutant } from "./mutant.js";

export const mutants: readonly Mutant[] = [
  ...serverMutants,
  ...durableMutants,
  ...durableFileMutants,
  ...clientMutants,
  ...transportMutants,
  ...strategyMutants,
  ...trainingMutants,
  ...transferMutants,
  ...weatherMutants,
];
