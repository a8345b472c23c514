// Deliberate defects of strategies, of late updates and of what clients keep for them.
import type { Mutant } from "./mutant.js";

export const strategyMutants: readonly Mutant[] = [
  {
    name: "SCAFFOLD's variate moves by the clients that answered and not by all",
    file: "packages/strategy/dist/src/scaffold.js",
    before: "total / population",
    after: "total / varied.length",
    suite: "packages/strategy/dist/test/scaffold.test.js",
  },
  {
    name: "a client's variate moves with every answer, counted or not",
    file: "packages/client/dist/src/control-variates.js",
    before: "kept.find(({ round }) => round === counted)",
    after: "kept.at(-1)",
    suite: "test/dist/identities/scaffold.test.js",
  },
  {
    name: "a late update moves the model as if it had been trained from it",
    file: "packages/strategy/dist/src/late.js",
    before: "numbersOf(base.read(index))",
    after: "numbersOf(now)",
    suite: "packages/strategy/dist/test/late.test.js",
  },
  {
    name: "a late update counts in a round whose model is made already",
    file: "packages/server/dist/src/engine/late.js",
    before: "state.open.moved === undefined ? now : now + 1",
    after: "now",
    suite: "test/dist/stories/*.test.js",
  },
  {
    name: "late updates that wait for the next round are not part of the state",
    file: "packages/server/dist/src/engine/closing.js",
    before: "carried.length === 0",
    after: "carried.length >= 0",
    suite: "test/dist/stories/*.test.js",
  },
  {
    name: "rounding carries a clipped update beyond the norm",
    file: "packages/strategy/dist/src/privacy/clipping.js",
    before: "Math.max(0, norm - roundingOf(current, norm))",
    after: "norm",
    suite: "test/dist/identities/engine.test.js",
  },
  {
    name: "a round that is done again with other updates gets the same noise",
    file: "packages/strategy/dist/src/privacy/noise.js",
    before: "...digest(values)",
    after: "",
    suite: "packages/strategy/dist/test/privacy.test.js",
  },
  {
    name: "a rollback gives back the privacy that was spent",
    file: "packages/server/dist/src/rollback.js",
    before: "keepSpending(target.durable.strategyState, newest.durable.strategyState)",
    after: "target.durable.strategyState",
    suite: "test/dist/resume/rollback.test.js",
  },
  {
    name: "a strategy that fails ends the run, and every resumption of it",
    file: "packages/server/dist/src/engine/moving.js",
    before: 'if (!isFederationError(error, "strategy/failed"))',
    after: "if (true)",
    suite: "test/dist/stories/*.test.js",
  },
  {
    name: "a client that is told to clip sends what it has",
    file: "packages/client/dist/src/clipping.js",
    before: "within ? parameters : clippedTensors(result, sent, norm)",
    after: "parameters",
    suite: "packages/client/dist/test/answer.test.js",
  },
  {
    name: "Ditto's personal training moves the order of the global one's examples",
    file: "packages/client/dist/src/module-client.js",
    before: ', stream: "personal"',
    after: "",
    suite: "test/dist/identities/training.test.js",
  },
];
