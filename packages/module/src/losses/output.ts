// A module that computes its loss itself.
import type { Loss } from "./loss.js";

/**
 * The module's own output `name`, a scalar that is the mean over the batch, as the loss. Such a module has two inputs: the
 * features and the targets.
 */
export function outputAsLoss(name: string): Loss {
  return {
    name: `outputAsLoss(${name})`,
    output: name,
    targets: ({ dtype, shape }) => ({ dtype, shape }),
    cost: (_, loss) => loss,
    sum: (g, loss, targets) => g.mul(loss, g.scalar(targets.shape[0] ?? 1, loss)),
  };
}
