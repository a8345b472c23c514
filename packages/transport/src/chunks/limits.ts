// What a server grants to updates that come in chunks.

/** What a server holds of updates whose clients are away. */
export interface PartialLimits {
  /** So many at most: of more, the one goes that has waited longest. Default 16. */
  readonly partials: number;
  /** How long each waits for its client. Default 10 minutes. */
  readonly partialMs: number;
  /** Elements are checked and handed to the sink this many bytes at a time; two such stages belong to each. Default 1 MiB. */
  readonly stageBytes: number;
  /** What one may hold besides its tensors' elements. Default 16 MiB. */
  readonly scalarsBytes: number;
}

export const defaultPartialLimits: PartialLimits = {
  partials: 16,
  partialMs: 600_000,
  stageBytes: 2 ** 20,
  scalarsBytes: 2 ** 24,
};
