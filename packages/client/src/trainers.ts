// The trainers of one client: the plain one, and those with a proximal term, opened when they are first needed.
import type { Parameters } from "@perennial-fl/core";
import { proximal } from "@perennial-fl/module";
import type { Optimizer } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import type { Trainer, TrainerOptions } from "@perennial-fl/trainer";

export interface Towards {
  readonly trainer: Trainer;
  /** The anchor to train with, where the optimizer has a use for one. */
  readonly anchor: (parameters: Parameters) => { readonly anchor?: Parameters };
}

export interface Trainers {
  readonly plain: Trainer;
  /** With the term mu/2 ‖w − anchor‖²; the plain one for a mu of 0, and where the optimizer has a term of its own. */
  towards(mu: number): Promise<Towards>;
  close(): Promise<void>;
}

/** Throws what the trainer throws. */
export async function openTrainers(options: TrainerOptions): Promise<Trainers> {
  const plain = await openTrainer(options);
  const own = hasAnchor(options.optimizer);
  const opened = new Map([[0, Promise.resolve(plain)]]);
  return {
    plain,
    async towards(mu) {
      const term = own ? 0 : mu;
      const opening = opened.get(term) ?? openTrainer({ ...options, optimizer: proximal(term, options.optimizer) });
      opened.set(term, opening);
      const anchored = own || term !== 0;
      return { trainer: await opening, anchor: (parameters) => (anchored ? { anchor: parameters } : {}) };
    },
    async close() {
      // One that could not be opened has nothing to close.
      for (const opening of await Promise.allSettled(opened.values())) {
        if (opening.status === "fulfilled") await opening.value.close();
      }
    },
  };
}

function hasAnchor(optimizer: Optimizer): boolean {
  const kinds = optimizer.references?.([{ name: "any", dtype: "float32", shape: [] }]) ?? [];
  return kinds.some(({ kind }) => kind === "anchor");
}
