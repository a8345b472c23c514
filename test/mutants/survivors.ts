// Mutants that no test notices, and why none can or need; `npm run mutation` finds them, docs/mutation.md shows them.

export interface Survivor {
  /** The end of the compiled file's path. */
  readonly file: string;
  /** The line that holds the change, without its indentation. */
  readonly code: string;
  readonly change: string;
  readonly why: string;
}

export const survivors: readonly Survivor[] = [];
