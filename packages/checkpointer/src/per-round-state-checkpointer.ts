// The per-round state: a dictionary under a name, in two generations.
import { join } from "node:path";
import type { SavedState } from "@perennial-fl/core";
import { FederationError, isFederationError, messageOf } from "@perennial-fl/core";
import { directoryStorage } from "./directory-storage.js";
import { checkName } from "./names.js";
import type { Report } from "./report.js";
import { warn } from "./report.js";
import { serial } from "./serial.js";
import type { StateFile } from "./state-file.js";
import { decodeState, encodeState } from "./state-file.js";
import type { Generation, Storage } from "./storage.js";

export interface PerRoundStateCheckpointerOptions {
  /** Told when a damaged or missing generation is passed over; by default a warning of the process. */
  readonly report?: Report;
  /** Instead of the directory itself. */
  readonly storage?: Storage;
}

/** What the next save must know of the one before. */
type Last = Pick<StateFile, "generation" | "digest">;

/** Keeps state dictionaries in a directory, which must exist. One process at a time: see {@link Storage.lock}. */
export class PerRoundStateCheckpointer {
  readonly checkpointDir: string;
  readonly #storage: Storage;
  readonly #report: Report;
  readonly #inTurn = serial();
  readonly #last = new Map<string, Last>();

  constructor(checkpointDir: string, options: PerRoundStateCheckpointerOptions = {}) {
    this.checkpointDir = checkpointDir;
    this.#storage = options.storage ?? directoryStorage(checkpointDir);
    this.#report = options.report ?? warn;
  }

  /** Throws `storage/directory` if nothing can be kept: to be called before the work begins. */
  check(): Promise<void> {
    return this.#storage.check();
  }

  /** Whether a generation of this name is there, valid or not. A directory is not a checkpoint. */
  async checkpointExists(checkpointName: string): Promise<boolean> {
    for (const generation of ["current", "previous"] as const) {
      try {
        if ((await this.#storage.read(checkpointName, generation)) !== undefined) return true;
      } catch (error) {
        if (!isFederationError(error, "checkpoint/missing")) throw error;
      }
    }
    return false;
  }

  /**
   * The newest valid generation. A damaged one is set aside, reported, and the one before it used. Throws
   * `checkpoint/missing` if there is none at all, `checkpoint/corrupt` if there is none valid (and then leaves all as
   * it is), and `checkpoint/newer-version`.
   */
  async loadCheckpoint(checkpointName: string): Promise<SavedState> {
    const found = await this.#inTurn(() => this.#load(checkpointName));
    if (found !== undefined) return found.state;
    throw new FederationError("checkpoint/missing", `there is no state at ${this.#path(checkpointName)}`);
  }

  /** The generation before the newest, if it is there and whole. Nothing is set aside. */
  async loadPreviousCheckpoint(checkpointName: string): Promise<SavedState | undefined> {
    const found = await this.#inTurn(() => this.#read(checkpointName, "previous"));
    return typeof found === "object" ? found.state : undefined;
  }

  /**
   * Replaces the state, durable on return; the former one becomes the previous generation. The dictionary must not
   * change before that. Throws `checkpoint/unsupported-value` before anything is written, and `checkpoint/save-failed`.
   */
  async saveCheckpoint(checkpointName: string, checkpointDict: SavedState): Promise<void> {
    // The storage refuses it too, but here as a save that failed.
    checkName(checkpointName);
    await this.#inTurn(async () => {
      try {
        const last = this.#last.get(checkpointName) ?? (await this.#lastOnDisk(checkpointName));
        const { pieces, digest } = await encodeState(checkpointDict, last.generation + 1, last.digest);
        // Until the save is known to be durable, the next one looks at the disk again.
        this.#last.delete(checkpointName);
        await this.#storage.replace(checkpointName, pieces, { keepPrevious: true });
        this.#last.set(checkpointName, { generation: last.generation + 1, digest });
      } catch (error) {
        if (isFederationError(error, "checkpoint/unsupported-value")) throw error;
        const doing = `saving the state ${this.#path(checkpointName)}`;
        throw new FederationError("checkpoint/save-failed", `${doing}: ${messageOf(error)}`, { cause: error });
      }
    });
  }

  async #lastOnDisk(name: string): Promise<Last> {
    await this.#storage.sweep(name);
    try {
      return (await this.#load(name)) ?? { generation: 0, digest: "" };
    } catch (error) {
      if (!isFederationError(error, "checkpoint/corrupt")) throw error;
      // A save must not destroy what a person may still want to look at.
      for (const generation of ["current", "previous"] as const) {
        const found = await this.#read(name, generation);
        if (typeof found === "string") this.#report(await this.#setAside(name, generation, found));
      }
      return { generation: 0, digest: "" };
    }
  }

  async #load(name: string): Promise<StateFile | undefined> {
    const current = await this.#read(name, "current");
    // Read also when it is not needed: damage is found while there is a whole generation, and names that were swapped.
    const previous = await this.#read(name, "previous");
    if (typeof current === "object" && !isNewer(previous, current)) {
      if (typeof previous === "string") this.#report(`${previous}; the generation after it is whole, and is used`);
      this.#last.set(name, current);
      return current;
    }
    if (typeof previous === "object") {
      const old = typeof current === "object" ? `${this.#path(name)} is older than the one before it` : current;
      const problem = old && (await this.#setAside(name, "current", old));
      this.#report(`${problem ?? `${this.#path(name)} is missing`}; the generation before it is used`);
      this.#last.set(name, previous);
      return previous;
    }
    const problems = [current, previous].filter((each) => typeof each === "string");
    if (problems.length === 0) return undefined;
    // Nothing is set aside here: the next start must find the damage too, and not an empty directory.
    throw new FederationError(
      "checkpoint/corrupt",
      `no generation of the state is valid: ${problems.join("; ")}; to begin anew, move the damaged files away`,
    );
  }

  /** The file, or what is wrong with it, or `undefined` if it is not there. */
  async #read(name: string, generation: Generation): Promise<StateFile | string | undefined> {
    const path = this.#path(name) + (generation === "previous" ? ".previous" : "");
    const bytes = await this.#storage.read(name, generation);
    if (bytes === undefined) return undefined;
    try {
      return decodeState(bytes, path);
    } catch (error) {
      if (!isFederationError(error, "checkpoint/corrupt")) throw error;
      return error.message;
    }
  }

  async #setAside(name: string, generation: Generation, problem: string): Promise<string> {
    return `${problem} (set aside as ${await this.#storage.setAside(name, generation)})`;
  }

  #path(name: string): string {
    return join(this.checkpointDir, name);
  }
}

function isNewer(previous: StateFile | string | undefined, current: StateFile): boolean {
  return typeof previous === "object" && previous.generation > current.generation;
}
