// The checkpointers that decide by a score, by the loss, or not at all.
import type { Metrics } from "@perennial-fl/core";
import { FederationError } from "@perennial-fl/core";
import type { OnnxModule } from "@perennial-fl/module";
import type { ModuleCheckpointerOptions } from "./module-checkpointer.js";
import { TorchModuleCheckpointer } from "./module-checkpointer.js";

/** The score of a module from its loss and metrics. */
export type CheckpointScoreFunction = (loss: number, metrics: Metrics) => number;

/**
 * Keeps the module with the best score. The first module is kept, and then each one that is strictly better: a tie
 * keeps the older. NaN is no score: such a module is never kept. The best score is part of the file and is read back
 * from it, so it is the best across restarts.
 */
export class FunctionTorchModuleCheckpointer extends TorchModuleCheckpointer {
  readonly checkpointScoreFunction: CheckpointScoreFunction;
  readonly maximize: boolean;
  protected override readonly kind: string = "function";
  #bestScore: number | undefined;
  /** Whether the score of the file is known. After a failed save it is not: the file may be the old or the new one. */
  #known = false;

  constructor(
    checkpointDir: string,
    checkpointName: string,
    checkpointScoreFunction: CheckpointScoreFunction,
    maximize = false,
    options: ModuleCheckpointerOptions = {},
  ) {
    super(checkpointDir, checkpointName, options);
    this.checkpointScoreFunction = checkpointScoreFunction;
    this.maximize = maximize;
  }

  /** The score of the file, as far as it is known: `undefined` before the first call, and when there is none. */
  get bestScore(): number | undefined {
    return this.#bestScore;
  }

  override maybeCheckpoint(module: OnnxModule, loss: number, metrics: Metrics): Promise<void> {
    return this.inTurn(async () => {
      const score = this.#score(loss, metrics);
      if (!this.#known) this.#bestScore = await this.#readBestScore();
      this.#known = true;
      if (Number.isNaN(score) || !this.#improves(score)) return;
      // The score changes after the save: a failed one must not turn the next module away.
      this.#known = false;
      await this.saveCheckpoint(module, { checkpointer: this.kind, loss, score, maximize: this.maximize });
      this.#bestScore = score;
      this.#known = true;
    });
  }

  #score(loss: number, metrics: Metrics): number {
    const score: unknown = this.checkpointScoreFunction(loss, metrics);
    if (typeof score === "number") return score;
    throw new FederationError(
      "argument/invalid",
      `scoring a module for ${this.checkpointPath}: the score function gave ${String(score)}, which is not a number`,
    );
  }

  #improves(score: number): boolean {
    const best = this.#bestScore;
    if (best === undefined) return true;
    return this.maximize ? score > best : score < best;
  }

  async #readBestScore(): Promise<number | undefined> {
    const record = await this.readRecord();
    if (record === undefined) return undefined;
    if (record.score !== undefined && record.checkpointer === this.kind && record.maximize === this.maximize) {
      return Number.isNaN(record.score) ? undefined : record.score;
    }
    const direction = record.maximize === undefined ? "" : record.maximize ? ", maximizing" : ", minimizing";
    this.report(
      `${this.checkpointPath} was kept by another checkpointer (${record.checkpointer}${direction}): its score is not compared`,
    );
    return undefined;
  }
}

/** Keeps every module that it is given, so the file is always the latest. */
export class LatestTorchModuleCheckpointer extends FunctionTorchModuleCheckpointer {
  protected override readonly kind: string = "latest";

  constructor(checkpointDir: string, checkpointName: string, options: ModuleCheckpointerOptions = {}) {
    super(checkpointDir, checkpointName, () => 0, false, options);
  }

  /** Loss and metrics do not decide; the loss is kept with the module. */
  override maybeCheckpoint(
    ...[module, loss]: Parameters<FunctionTorchModuleCheckpointer["maybeCheckpoint"]>
  ): Promise<void> {
    return this.inTurn(() => this.saveCheckpoint(module, { checkpointer: this.kind, loss }));
  }
}

/** Keeps the module with the least loss. Metrics are not looked at. */
export class BestLossTorchModuleCheckpointer extends FunctionTorchModuleCheckpointer {
  protected override readonly kind: string = "best-loss";

  constructor(checkpointDir: string, checkpointName: string, options: ModuleCheckpointerOptions = {}) {
    super(checkpointDir, checkpointName, (loss) => loss, false, options);
  }
}
