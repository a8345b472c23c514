// Who has which of the training images.

/** A run of neighbouring images. */
export interface Part {
  readonly first: number;
  readonly count: number;
}

export const partOf = (client: number, count = 2000): Part => ({ first: client * count, count });

export const indicesOf = ({ first, count }: Part): Uint32Array =>
  Uint32Array.from({ length: count }, (_, i) => first + i);
