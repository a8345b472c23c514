// What the screen shows of a local training, folded from its events; and the line that it redraws. Pure.
import type { CommandEvent } from "../json-lines.js";
import { bar, duration, paint } from "../table.js";
import type { Style } from "../table.js";
import type { EpochScore, TrainEvent } from "./events.js";
import { lossText } from "./lines.js";

export interface TrainProgress {
  readonly epochs: number;
  readonly scores: readonly EpochScore[];
  /** The epoch under way, as far as it has been told of. */
  readonly open?: Extract<TrainEvent, { type: "stepped" }> | undefined;
  /** Steps done since this process began, and when the first and the last of them were told of. */
  readonly pace?: { readonly steps: number; readonly fromMs: number; readonly toMs: number } | undefined;
}

export const noTrainProgress: TrainProgress = { epochs: 0, scores: [] };

/** What is known after one more event, which happened at `nowMs`. */
export function advanceTraining(
  progress: TrainProgress,
  event: TrainEvent | CommandEvent,
  nowMs: number,
): TrainProgress {
  switch (event.type) {
    case "started":
      return { ...progress, epochs: event.epochs };
    case "resumed":
      return { ...progress, scores: event.scores };
    case "epoch-ended":
      // Judging and saving are not training: the next epoch is timed anew.
      return { ...progress, scores: [...progress.scores, event], open: undefined };
    case "stepped": {
      const { open, pace } = progress;
      const steps = open?.epoch === event.epoch ? event.step - open.step : 0;
      const elapsed = open?.epoch === event.epoch && pace !== undefined ? nowMs - pace.toMs : 0;
      const before = pace ?? { steps: 0, fromMs: nowMs, toMs: nowMs };
      // What lies between epochs is cut out of the time.
      const fromMs = nowMs - (before.toMs - before.fromMs) - elapsed;
      return { ...progress, open: event, pace: { steps: before.steps + steps, fromMs, toMs: nowMs } };
    }
    default:
      return progress;
  }
}

/** Optimizer steps a second, once two tellings say so. */
export function stepsPerSecond({ pace }: TrainProgress): number | undefined {
  if (pace === undefined || pace.steps === 0 || pace.toMs <= pace.fromMs) return undefined;
  return (pace.steps * 1000) / (pace.toMs - pace.fromMs);
}

/** The epoch under way: `epoch 3/20  ███████░░░░░  58 %  loss 0.2310  412 steps/s  1:05 left`. */
export function progressLine(progress: TrainProgress, style: Style): string | undefined {
  const { open, epochs } = progress;
  if (open === undefined) return undefined;
  const { epoch, step, stepsPerEpoch, loss } = open;
  const pace = stepsPerSecond(progress);
  const left = (epochs - epoch) * stepsPerEpoch + stepsPerEpoch - step;
  const share = step / stepsPerEpoch;
  const parts = [
    `epoch ${epoch}/${epochs}`,
    paint("cyan", bar(share, 20), style),
    `${Math.floor(share * 100)} %`.padStart(5),
    `loss ${lossText(loss)}`,
    ...(pace === undefined
      ? []
      : [
          `${pace >= 10 ? pace.toFixed(0) : pace.toFixed(1)} steps/s`,
          paint("dim", `${duration((left / pace) * 1000)} left`, style),
        ]),
  ];
  // A line that wraps cannot be drawn over.
  const fitting = parts.filter(
    (_, i) =>
      parts
        .slice(0, i + 1)
        .map(plain)
        .join("  ").length < style.columns,
  );
  return fitting.join("  ");
}

function plain(text: string): string {
  // eslint-disable-next-line no-control-regex -- colours are control sequences
  return text.replaceAll(/\u001b\[\d+m/g, "");
}
