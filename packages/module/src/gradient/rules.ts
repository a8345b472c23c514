// The one table of gradient rules; the families are in the files next to this one.
import { arrangementGradients } from "./arrangement.js";
import { convolutionGradients } from "./convolution.js";
import { elementwiseGradients } from "./elementwise.js";
import { lossGradients } from "./loss.js";
import { matrixGradients } from "./matrix.js";
import { normalisationGradients } from "./normalisation.js";
import { poolingGradients } from "./pooling.js";
import { reductionGradients } from "./reduction.js";
import { selectionGradients } from "./selection.js";
import type { GradientRule } from "./site.js";

/** Gradient rules under ONNX's operator names: every operator that can be trained through. */
export const gradientRules: { readonly [opType: string]: GradientRule } = {
  ...elementwiseGradients,
  ...matrixGradients,
  ...arrangementGradients,
  ...selectionGradients,
  ...reductionGradients,
  ...convolutionGradients,
  ...poolingGradients,
  ...normalisationGradients,
  ...lossGradients,
};
