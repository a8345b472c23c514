// A deliberate defect: a piece of compiled code replaced by a wrong one, and the suite that must notice.

export interface Mutant {
  /** What is wrong, in words. */
  readonly name: string;
  /** The compiled file, from the repository's root. */
  readonly file: string;
  /** Occurs exactly once in it. */
  readonly before: string;
  readonly after: string;
  /** Glob of the compiled tests that must fail. */
  readonly suite: string;
}
