// Checkpointers of modules: when a model is kept. A checkpoint is one file that holds the model and its score.
import { join } from "node:path";
import type { Metrics, Parameters, Tensor } from "@perennial-fl/core";
import { FederationError, isFederationError, messageOf } from "@perennial-fl/core";
import type { OnnxModule } from "@perennial-fl/module";
import { directoryStorage } from "./directory-storage.js";
import { nodeDisk } from "./node-disk.js";
import type { ModuleFile, ModuleFormat, ModuleRecord, ModuleScore } from "./module-file.js";
import { decodeModule, encodeModule } from "./module-file.js";
import { checkName } from "./names.js";
import { readWhole } from "./read-file.js";
import { warn } from "./report.js";
import type { Report } from "./report.js";
import { serial } from "./serial.js";
import type { Storage } from "./storage.js";

export interface ModuleCheckpointerOptions {
  /** Default `onnx`. */
  readonly format?: ModuleFormat;
  /** Needed to load a safetensors checkpoint before one was saved: the module whose parameters the file replaces. */
  readonly module?: OnnxModule;
  /** Told of files that were set aside or are replaced unread; by default a warning of the process. */
  readonly report?: Report;
  /** Instead of the directory itself. */
  readonly storage?: Storage;
}

/**
 * Keeps modules in one file of a directory, which must exist. Only one process may save under one name at a time.
 * The file's metadata carries the loss, the score, and the round and run of the module's own metadata
 * (`perennial.round`, `perennial.run`).
 */
export abstract class TorchModuleCheckpointer {
  readonly checkpointPath: string;
  /** What the file says of its writer. */
  protected readonly kind: string = "custom";
  protected readonly report: Report;
  readonly #storage: Storage;
  readonly #name: string;
  readonly #format: ModuleFormat;
  readonly #inTurn = serial();
  #module: OnnxModule | undefined;
  #swept = false;

  /** Throws `checkpoint/name` for a name that is not a plain file name. The directory is looked at on first use. */
  constructor(checkpointDir: string, checkpointName: string, options: ModuleCheckpointerOptions = {}) {
    this.#name = checkName(checkpointName);
    this.checkpointPath = join(checkpointDir, checkpointName);
    this.#storage = options.storage ?? directoryStorage(checkpointDir);
    this.#format = options.format ?? "onnx";
    this.#module = options.module;
    this.report = options.report ?? warn;
  }

  /** Throws `storage/directory` if nothing can be kept: to be called before the work begins. */
  check(): Promise<void> {
    return this.#storage.check();
  }

  /**
   * The module kept at `pathToCheckpoint`, by default this checkpointer's own. Throws `checkpoint/missing`, or
   * `checkpoint/corrupt` if the file is damaged, or was not written by a checkpointer at all.
   */
  async loadCheckpoint(pathToCheckpoint?: string): Promise<OnnxModule> {
    const path = pathToCheckpoint ?? this.checkpointPath;
    const file = pathToCheckpoint === undefined ? await this.readCheckpoint() : await readCheckpointFile(path);
    if (file === undefined) throw new FederationError("checkpoint/missing", `there is no checkpoint at ${path}`);
    if (file.record === undefined) {
      throw new FederationError(
        "checkpoint/corrupt",
        `${path} has no digest, so it cannot be verified: read modules of other origin with OnnxModule.fromBytes`,
      );
    }
    return file.format === "onnx" ? file.module : this.#filled(file, path);
  }

  /** Decides whether to keep the module, and keeps it, durable on return. Throws `checkpoint/save-failed`. */
  abstract maybeCheckpoint(module: OnnxModule, loss: number, metrics: Metrics): Promise<void>;

  /** Runs `decide` when every earlier call is over, whether it failed or not. */
  protected inTurn<T>(decide: () => Promise<T>): Promise<T> {
    return this.#inTurn(decide);
  }

  /** Replaces the checkpoint. After a failure the former file is there and the next save may succeed. */
  protected async saveCheckpoint(module: OnnxModule, score: ModuleScore): Promise<void> {
    try {
      const bytes = encodeModule(module, score, this.#format);
      if (!this.#swept) await this.#storage.sweep(this.#name);
      this.#swept = true;
      await this.#storage.replace(this.#name, bytes);
    } catch (error) {
      throw new FederationError(
        "checkpoint/save-failed",
        `saving the checkpoint ${this.checkpointPath}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
    this.#module = module;
  }

  /** The verified checkpoint, if there is one. */
  protected async readCheckpoint(): Promise<ModuleFile | undefined> {
    const bytes = await this.#storage.read(this.#name);
    return bytes === undefined ? undefined : decodeModule(bytes, this.checkpointPath);
  }

  /** What the present file says of itself. A damaged one is set aside, reported, and then as good as none. */
  protected async readRecord(): Promise<ModuleRecord | undefined> {
    try {
      const file = await this.readCheckpoint();
      if (file !== undefined && file.record === undefined) {
        this.report(`${this.checkpointPath} was not written by a checkpointer, and will be replaced`);
      }
      return file?.record;
    } catch (error) {
      if (!isFederationError(error, "checkpoint/corrupt")) throw error;
      const aside = await this.#storage.setAside(this.#name);
      this.report(`${error.message}; it was set aside as ${aside}, and there is no best score`);
      return undefined;
    }
  }

  #filled(file: ModuleFile, path: string): OnnxModule {
    const module = this.#module;
    if (module === undefined) {
      throw new FederationError(
        "argument/invalid",
        `loading ${path}: it holds parameters only, so the checkpointer's option "module" must say of which module`,
      );
    }
    const found = new Map(file.names.map((name, i) => [name, file.parameters[i]]));
    const parameters: Parameters = module.parameterNames.map((name): Tensor => {
      const tensor = found.get(name);
      if (tensor === undefined)
        throw new FederationError("model/mismatch", `loading ${path}: it has no tensor "${name}"`);
      return tensor;
    });
    return module.withParameters(parameters);
  }
}

/** Reads the checkpoint at any path; `undefined` if nothing is there. */
export async function readCheckpointFile(path: string): Promise<ModuleFile | undefined> {
  const bytes = await readWhole(nodeDisk, path);
  return bytes === undefined ? undefined : decodeModule(bytes, path);
}
