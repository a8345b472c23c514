// A way around layers.
import { FederationError } from "@perennial-fl/core";
import type { Layer } from "./layer.js";

/** The input plus what the layers make of it (He et al. 2016). They are named from 0 within this one. */
export function residual(layers: readonly Layer[]): Layer {
  return (at) => {
    const made = layers.reduce((input, layer, i) => layer(at.inside(String(i), input)), at.input);
    if (made.shape.join() !== at.input.shape.join()) {
      throw new FederationError(
        "model/shape",
        `building layer ${at.name}: around it goes [${at.input.shape.join(", ")}], and through it comes [${made.shape.join(", ")}]`,
      );
    }
    return at.g.add(at.input, made);
  };
}
