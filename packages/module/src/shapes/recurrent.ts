// Shapes of recurrent layers: all states, the last one, and (LSTM) the last cell.
import type { ShapeRule } from "./site.js";

const recurrent: ShapeRule = (at) => {
  const [length = 0, batch = 0, features] = at.a.shape;
  const [directions = 0, , hidden = 0] = at.c.shape;
  if (at.b.shape[2] !== features) at.fail(`weights for ${at.b.shape[2] ?? 0} features meet ${features ?? 0}`);
  const last = { dtype: at.a.dtype, shape: [directions, batch, hidden] };
  return [{ dtype: at.a.dtype, shape: [length, directions, batch, hidden] }, last, last];
};

export const recurrentShapes: { readonly [opType: string]: ShapeRule } = { GRU: recurrent, LSTM: recurrent };
