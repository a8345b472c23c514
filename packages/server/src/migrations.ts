// How a server's state of an earlier version becomes one of this version.
import { checkedSchema } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import type { History } from "./history.js";
import { linesOfHistory } from "./history-lines.js";

/** Number N - 1 of the list makes a state of schema N + 1 of one of schema N. Every released schema has its place. */
const migrations: readonly ((state: SavedState) => SavedState)[] = [
  // 1 to 2: rollbacks are counted.
  (state) => ({ ...state, attempt: 1 }),
  // 2 to 3: the history is text, a line a round.
  (state) => ({ ...state, history: linesOfHistory(state["history"] as unknown as History) }),
];

/** The schema that this version writes. */
export const serverStateSchema = migrations.length + 1;

/**
 * The state as this version knows it, without its schema; `what` names it in errors. Throws `checkpoint/newer-version`
 * for a later schema, and `checkpoint/corrupt` for none.
 */
export function migrated({ schema, ...state }: SavedState, what: string): SavedState {
  const from = checkedSchema(schema, serverStateSchema, what);
  return migrations.slice(from - 1).reduce<SavedState>((held, migrate) => migrate(held), state);
}
