// Whether an answer may count. The global model's schema is the law.
import { describeTensor, sameHeader } from "@perennial-fl/core";
import type { Parameters } from "@perennial-fl/core";
import type { Answer } from "./types.js";

/** Why the answer cannot count, naming what, where and the value; `undefined` when it can. */
export function objection(answer: Answer, parameters: Parameters): string | undefined {
  if (!Number.isSafeInteger(answer.numExamples) || answer.numExamples < 1) {
    return `numExamples is a whole number from 1, not ${answer.numExamples}`;
  }
  if (answer.type === "evaluate") {
    return Number.isFinite(answer.loss) ? undefined : `the loss is ${answer.loss}`;
  }
  const { tensors } = answer.update;
  if (tensors.length !== parameters.length) {
    return `the update has ${tensors.length} tensors, and the model ${parameters.length}`;
  }
  for (const [index, tensor] of tensors.entries()) {
    const expected = parameters[index];
    if (expected === undefined || !sameHeader(tensor, expected)) {
      return `tensor ${index} is ${describeTensor(tensor)}, and the model's is ${expected ? describeTensor(expected) : "absent"}`;
    }
    if (tensor.firstNonFinite !== undefined) {
      return `tensor ${index} (${describeTensor(tensor)}) is not finite at element ${tensor.firstNonFinite}`;
    }
  }
  return undefined;
}
