// A checkpointer that keeps the modules of several rounds, each in a file of its own.
import { messageOf } from "@perennial-fl/core";
import type { Metrics } from "@perennial-fl/core";
import type { OnnxModule } from "@perennial-fl/module";
import { directoryStorage } from "./directory-storage.js";
import { decodeModule } from "./module-file.js";
import type { ModuleCheckpointerOptions } from "./module-checkpointer.js";
import { TorchModuleCheckpointer } from "./module-checkpointer.js";
import { checkRetention, retained } from "./retention.js";
import type { KeptRound, Retention } from "./retention.js";
import { LatestTorchModuleCheckpointer } from "./score-checkpointers.js";
import type { Storage } from "./storage.js";

/**
 * Keeps the modules that a policy names: `model.onnx` becomes `model.round-12.onnx`. The round is the module's own
 * (`perennial.round` in its metadata); one that has none follows the greatest that is kept. A round offered again
 * replaces its file. No file has the plain name `checkpointPath`.
 */
export class RetainingTorchModuleCheckpointer extends TorchModuleCheckpointer {
  protected override readonly kind: string = "retaining";
  readonly retention: Retention;
  readonly #directory: string;
  readonly #name: string;
  readonly #options: ModuleCheckpointerOptions;
  readonly #kept: Storage;
  /** The loss of every kept round, once it was read. */
  #losses: Map<number, number | undefined> | undefined;

  /** Throws `argument/invalid` for a policy that keeps nothing, and `checkpoint/name`. */
  constructor(
    checkpointDir: string,
    checkpointName: string,
    retention: Retention,
    options: ModuleCheckpointerOptions = {},
  ) {
    super(checkpointDir, checkpointName, options);
    checkRetention(retention);
    this.retention = retention;
    this.#directory = checkpointDir;
    this.#name = checkpointName;
    this.#kept = options.storage ?? directoryStorage(checkpointDir);
    this.#options = { ...options, storage: this.#kept };
  }

  /** The rounds that are kept now, in order. */
  async rounds(): Promise<number[]> {
    const { stem, ending } = this.#parts();
    const names = (await this.#kept.list()).filter(
      (name) => name.startsWith(`${stem}.round-`) && name.endsWith(ending),
    );
    return names
      .map((name) => name.slice(`${stem}.round-`.length, name.length - ending.length))
      .filter((text) => /^\d+$/.test(text))
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** The module of a round. Throws `checkpoint/missing` and `checkpoint/corrupt`. */
  loadRound(round: number): Promise<OnnxModule> {
    return this.#of(round).loadCheckpoint();
  }

  /** The module at a path, by default that of the newest round that is kept. */
  override async loadCheckpoint(pathToCheckpoint?: string): Promise<OnnxModule> {
    const newest = pathToCheckpoint === undefined ? (await this.rounds()).at(-1) : undefined;
    return newest === undefined ? super.loadCheckpoint(pathToCheckpoint) : this.loadRound(newest);
  }

  /** Keeps the module if the policy keeps its round, then removes what the policy keeps no more. */
  override maybeCheckpoint(module: OnnxModule, loss: number, metrics: Metrics): Promise<void> {
    return this.inTurn(async () => {
      const losses = (this.#losses ??= await this.#read());
      const round = Number(module.metadata["perennial.round"] ?? Math.max(0, ...losses.keys()) + 1);
      const offered = new Map(losses).set(round, loss);
      const stays = retained(
        this.retention,
        [...offered].map(([each, known]): KeptRound => ({ round: each, loss: known })),
      );
      if (stays.has(round)) {
        await this.#of(round).maybeCheckpoint(module, loss, metrics);
        losses.set(round, loss);
      }
      for (const each of [...losses.keys()].filter((kept) => !stays.has(kept))) {
        await this.#kept.remove(this.#nameOf(each));
        losses.delete(each);
      }
    });
  }

  async #read(): Promise<Map<number, number | undefined>> {
    const losses = new Map<number, number | undefined>();
    for (const round of await this.rounds()) losses.set(round, await this.#lossOf(round));
    return losses;
  }

  /** A damaged file has no loss and is kept as long as the policy keeps its round: a person may want to look at it. */
  async #lossOf(round: number): Promise<number | undefined> {
    const name = this.#nameOf(round);
    try {
      const bytes = await this.#kept.read(name);
      return bytes && decodeModule(bytes, name).record?.loss;
    } catch (error) {
      this.report(`the loss of the module ${name} cannot be read: ${messageOf(error)}`);
      return undefined;
    }
  }

  #of(round: number): LatestTorchModuleCheckpointer {
    return new LatestTorchModuleCheckpointer(this.#directory, this.#nameOf(round), this.#options);
  }

  #nameOf(round: number): string {
    const { stem, ending } = this.#parts();
    return `${stem}.round-${round}${ending}`;
  }

  #parts(): { readonly stem: string; readonly ending: string } {
    const dot = this.#name.lastIndexOf(".");
    return dot > 0
      ? { stem: this.#name.slice(0, dot), ending: this.#name.slice(dot) }
      : { stem: this.#name, ending: "" };
  }
}
