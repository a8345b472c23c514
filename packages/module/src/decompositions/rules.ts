// The one table of decompositions; the families are in the files next to this one.
import { activationDecompositions } from "./activation.js";
import { arrangementDecompositions } from "./arrangement.js";
import { attentionDecompositions } from "./attention.js";
import type { Decomposition } from "./decomposition.js";
import { normalisationDecompositions } from "./normalisation.js";
import { recurrentDecompositions } from "./recurrent.js";
import { renamedDecompositions } from "./renamed.js";
import { resizeDecompositions } from "./resize.js";
import { selectionDecompositions } from "./selection.js";
import { windowDecompositions } from "./window.js";

/** Decompositions under ONNX's operator names. */
export const decompositions: { readonly [opType: string]: Decomposition } = {
  ...activationDecompositions,
  ...arrangementDecompositions,
  ...attentionDecompositions,
  ...normalisationDecompositions,
  ...recurrentDecompositions,
  ...renamedDecompositions,
  ...resizeDecompositions,
  ...selectionDecompositions,
  ...windowDecompositions,
};
