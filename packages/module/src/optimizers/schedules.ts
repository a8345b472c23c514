// Learning rates that change: pure functions from the number of a step, counted from 0, to its rate.

/** The learning rate of a step, counted from 0 over all epochs. */
export type Schedule = (step: number) => number;

/** Times `gamma` every `stepSize` steps (PyTorch's `StepLR`). */
export function stepDecay(
  learningRate: number,
  { stepSize, gamma = 0.1 }: { stepSize: number; gamma?: number },
): Schedule {
  return (step) => learningRate * gamma ** Math.floor(step / stepSize);
}

/** Times `gamma` every step (PyTorch's `ExponentialLR`). */
export function exponentialDecay(learningRate: number, { gamma }: { gamma: number }): Schedule {
  return (step) => learningRate * gamma ** step;
}

/** Half a cosine from `learningRate` to `minimum` over `steps` steps (PyTorch's `CosineAnnealingLR`), and `minimum` from then on. */
export function cosineAnnealing(
  learningRate: number,
  { steps, minimum = 0 }: { steps: number; minimum?: number },
): Schedule {
  return (step) => minimum + ((learningRate - minimum) * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps))) / 2;
}

/** A schedule whose first `steps` steps grow linearly to its full rate, the first being 1/steps of it. */
export function linearWarmup(steps: number, schedule: Schedule): Schedule {
  return (step) => schedule(step) * Math.min(1, (step + 1) / steps);
}

/** A schedule that counts epochs of so many steps. */
export function perEpoch(stepsPerEpoch: number, schedule: Schedule): Schedule {
  return (step) => schedule(Math.floor(step / stepsPerEpoch));
}
