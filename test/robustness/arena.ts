// Eleven clients that learn digits from MNIST, some of them attackers, and the accuracy of what comes out.
import { isFederationError } from "@perennial-fl/core";
import { crossEntropy, sgd } from "@perennial-fl/module";
import type { OnnxModule } from "@perennial-fl/module";
import { openTrainer } from "@perennial-fl/trainer";
import type { Digits } from "@perennial-fl/example-quickstart/dist/src/mnist.js";
import { evenParts, rowsOf } from "../science/digits.js";
import { trainRounds } from "../science/virtual-federation.js";
import type { VirtualClient } from "../science/virtual-federation.js";
import type { Attack } from "./attacks.js";
import type { Defence } from "./defences.js";

export interface ArenaOptions {
  readonly module: OnnxModule;
  readonly digits: Digits;
  /** Of every client. */
  readonly examples: number;
  /** Of those that no client has. */
  readonly tested: number;
  readonly rounds: number;
  readonly epochs: number;
  readonly seed: number;
}

export interface Arena {
  /**
   * On the test examples, after the last round; `undefined` when the attack made the honest clients' training diverge.
   * The same strategy and attack give the same accuracy.
   */
  readonly accuracy: (defence: Defence, attack: Attack) => Promise<number | undefined>;
  readonly close: () => Promise<void>;
}

export const clientCount = 11;
const learningRate = 0.1;

export async function openArena(options: ArenaOptions): Promise<Arena> {
  const { module, digits, examples, tested, rounds, epochs, seed } = options;
  const [order = new Uint32Array()] = evenParts(digits.labels.length, 1, seed);
  const trained = clientCount * examples;
  const parts = Array.from({ length: clientCount }, (_, k) =>
    rowsOf(digits, order.subarray(k * examples, (k + 1) * examples)),
  );
  const test = rowsOf(digits, order.subarray(trained, trained + tested));
  const trainer = await openTrainer({ module, loss: crossEntropy(), optimizer: sgd({ learningRate }) });
  return {
    async accuracy({ strategy, bounds }, { attackers, tamper, claims, labels }) {
      const clients = parts.map((train, k): VirtualClient => {
        const id = `client-${k}`;
        if (k >= attackers) return { id, train };
        return { id, train: labels?.(train) ?? train, ...(tamper && { tamper }), ...(claims && { claims }) };
      });
      const shape = { perRound: clientCount, rounds, batchSize: 32, learningRate, seed, epochs: () => epochs };
      let model = module.parameters;
      try {
        const models = trainRounds(model, { ...shape, ...bounds, trainer, strategy: strategy(), clients });
        for await (const next of models) model = next;
        return (await trainer.evaluate(model, { dataset: test, batchSize: 500 })).accuracy;
      } catch (error) {
        if (isFederationError(error, "trainer/failed") && error.message.includes("diverged")) return undefined;
        throw error;
      }
    },
    close: () => trainer.close(),
  };
}
