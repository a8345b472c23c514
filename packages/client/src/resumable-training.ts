// Training that keeps what it has done, so that a client that is killed inside an epoch goes on there.
import { messageOf } from "@perennial-fl/core";
import type { Parameters, Saved } from "@perennial-fl/core";
import type { Cursor, Trained, Trainer, TrainOptions } from "@perennial-fl/trainer";
import type { ClientContext } from "./client.js";

/** How often half-done training is kept: whichever comes first. */
export interface KeepProgress {
  /** Seconds of training. Default 60. */
  readonly everySeconds?: number;
  /** Optimizer steps. Default: time alone decides. */
  readonly everySteps?: number;
}

/** How far one training has come; without a cursor it is over. */
type Part = {
  readonly parameters: Parameters;
  readonly state: Saved;
  readonly loss: number;
  readonly numExamples: number;
  /** Of all calls together. */
  readonly steps: number;
  readonly cursor?: Cursor;
};

/** The half-done work of one question: a part for each of its trainings, by name. */
export interface Work {
  readonly every: KeepProgress;
  /** Whether anything can be kept at all. */
  readonly keeps: boolean;
  part(name: string): Part | undefined;
  /** A failure is said and does not spoil the training. */
  keep(name: string, part: Part): Promise<void>;
}

export function openWork({ progress, warn }: ClientContext, every: KeepProgress = {}): Work {
  const parts = new Map(Object.entries((progress?.kept ?? {}) as Record<string, Part>));
  return {
    every,
    keeps: progress !== undefined,
    part: (name) => parts.get(name),
    async keep(name, part) {
      parts.set(name, part);
      try {
        await progress?.keep(Object.fromEntries(parts));
      } catch (error) {
        warn(`half-done training could not be kept: ${messageOf(error)}`);
      }
    },
  };
}

/**
 * Trains as one call of `trainer.train` does, to the same bytes, in pieces between which it keeps what it has; goes on
 * from what the work holds under `name`. A training that is over is kept too if there was anything to keep of it, so
 * that it is not repeated while a second one of the same question is half done. An optimizer with a proximal term
 * needs its anchor in `options`: pieces after the first begin at other parameters.
 */
export async function trainResumably(
  trainer: Trainer,
  parameters: Parameters,
  options: TrainOptions,
  { work, name }: { readonly work: Work; readonly name: string },
): Promise<Trained> {
  const { everySeconds = 60, everySteps } = work.every;
  let done = work.part(name);
  const resumed = done !== undefined;
  while (done === undefined || done.cursor !== undefined) {
    const trained: Trained = await trainer.train(done?.parameters ?? parameters, {
      ...options,
      ...(done?.cursor && { state: done.state, cursor: done.cursor, epochs: options.epochs - done.cursor.epoch }),
      ...(work.keeps && { pause: AbortSignal.timeout(everySeconds * 1000) }),
      ...(work.keeps && everySteps !== undefined && { maxSteps: everySteps }),
    });
    const before: Part | undefined = done;
    done = { ...trained, steps: (before?.steps ?? 0) + trained.steps };
    if (done.cursor !== undefined || before !== undefined || resumed) await work.keep(name, done);
  }
  return done;
}
