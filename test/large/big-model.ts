// The model of the large round: 100 MB in one tensor, whose elements say which client and round they are of.
export const clients = 200;
export const rounds = 2;
export const elements = 25_000_000;
export const modelBytes = 4 * elements;

/** Elements are alike within a block, and so are made a block at a time. */
export const blockElements = 250_000;

/** Exact in float32, and so is the mean over all clients. */
export function valueOf(client: number, round: number, block: number): number {
  return client + round / 4 + block / 128;
}

/** What the model has to be after a round in which everybody counts alike. */
export function meanOf(round: number, block: number): number {
  return valueOf((clients - 1) / 2, round, block);
}
