// The one table of gradient rules; the families are in the files next to this one.
import { activationGradients } from "./activation.js";
import { arrangementGradients } from "./arrangement.js";
import { convolutionGradients } from "./convolution.js";
import { einsumGradients } from "./einsum.js";
import { elementwiseGradients } from "./elementwise.js";
import { lossGradients } from "./loss.js";
import { matrixGradients } from "./matrix.js";
import { normalisationGradients } from "./normalisation.js";
import { poolingGradients } from "./pooling.js";
import { reductionGradients } from "./reduction.js";
import { selectionGradients } from "./selection.js";
import { resizeGradients } from "./resize.js";
import type { GradientRule } from "./site.js";

/** Gradient rules under ONNX's operator names: every operator that can be trained through. */
export const gradientRules: { readonly [opType: string]: GradientRule } = {
  ...elementwiseGradients,
  ...activationGradients,
  ...matrixGradients,
  ...einsumGradients,
  ...arrangementGradients,
  ...selectionGradients,
  ...reductionGradients,
  ...convolutionGradients,
  ...poolingGradients,
  ...resizeGradients,
  ...normalisationGradients,
  ...lossGradients,
};
