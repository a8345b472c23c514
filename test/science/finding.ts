// One line of the comparison: what was measured, what was published, and whether the two agree.
export interface Finding {
  readonly what: string;
  readonly measured: string;
  readonly published: string;
  /** What counts as agreement. */
  readonly band: string;
  readonly within: boolean;
}

export function describeFinding({ what, measured, published, band, within }: Finding): string {
  return `${within ? "agrees  " : "DIFFERS "} ${what}\n           measured ${measured}; published ${published}; band ${band}`;
}
