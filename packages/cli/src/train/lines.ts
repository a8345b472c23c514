// What a local training says to a person, one line each. Pure.
import type { CommandEvent } from "../json-lines.js";
import { percent } from "../table.js";
import type { EpochScore, TrainEvent } from "./events.js";

/** The line of an event where no screen is drawn, or `undefined` for one that says nothing new. */
export function trainLine(event: TrainEvent | CommandEvent): string | undefined {
  if (event.type !== "epoch-ended") return trainNotice(event);
  const { epoch, epochs, best } = event;
  return `epoch ${epoch}/${epochs}: ${scoreText(event)}${best === true ? ", the best so far" : ""}`;
}

/** The line of an event that a person must see beside the screen, or `undefined` for one that it shows. */
export function trainNotice(event: TrainEvent | CommandEvent): string | undefined {
  switch (event.type) {
    case "started": {
      const { parameters, examples, validationExamples, recipe } = event;
      const judged = validationExamples === 0 ? "" : `, judged on ${validationExamples}`;
      return `training ${parameters} parameters on ${examples} examples${judged}: ${recipe}`;
    }
    case "resumed":
      return `resumed ${placeText(event)}`;
    case "note":
      return `note: ${event.message}`;
    case "warning":
      return `warning: ${event.message}`;
    case "state-directory-created":
      return `created the state directory ${event.path}`;
    case "saved":
      return `saved ${placeText(event)}`;
    case "finished":
      return `finished after ${event.epochs} epochs: ${event.checkpoints.join(", ")}; sha256 ${event.parametersSha256}`;
    case "stepped":
    case "epoch-ended":
    case "listening":
    case "error":
      return undefined;
  }
}

function placeText({ epoch, step }: { readonly epoch: number; readonly step: number }): string {
  return step === 0 ? `after epoch ${epoch - 1}` : `in epoch ${epoch}, after ${step} steps`;
}

/** `loss 0.1234, validation 0.2345, accuracy 97.53 %`. */
export function scoreText({ loss, validationLoss, accuracy }: Omit<EpochScore, "epoch">): string {
  return [
    `loss ${lossText(loss)}`,
    ...(validationLoss === undefined ? [] : [`validation ${lossText(validationLoss)}`]),
    ...(accuracy === undefined ? [] : [`accuracy ${percent(accuracy)}`]),
  ].join(", ");
}

/** Four digits that say something, also of a very small or large loss. */
export function lossText(loss: number): string {
  const size = Math.abs(loss);
  return size !== 0 && (size < 0.001 || size >= 100_000) ? loss.toExponential(3) : loss.toFixed(4);
}
