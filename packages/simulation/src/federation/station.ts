// A machine of the federation: its disk, and the process that is started on it again whenever it has ended too soon.
import { messageOf } from "@perennial-fl/core";
import type { Random } from "@perennial-fl/core";
import { VirtualDisk } from "../world/disk.js";
import type { VirtualNetwork } from "../world/network.js";
import { Process } from "../world/scheduler.js";
import type { Scheduler } from "../world/scheduler.js";
import { silenceMs } from "../world/channel.js";

/** What all machines share. */
export interface World {
  readonly scheduler: Scheduler;
  readonly network: VirtualNetwork;
  /** All chance that is not part of the weather's list. */
  readonly draw: Random;
  readonly tell: (who: string, what: string) => void;
}

/** What became of a life that ended by itself. */
export type Ending = "done" | "again";

export interface StationOptions {
  readonly name: string;
  readonly world: World;
  /** One life, from start to end. */
  readonly live: (process: Process, disk: VirtualDisk) => Promise<Ending>;
  /** Judges what a life died of: whether it is to be tried again. */
  readonly died: (error: unknown) => Ending;
}

/** An operator starts a process again so long after it failed. */
const restartMs = 1_000;

export class Station {
  readonly name: string;
  disk: VirtualDisk;
  done = false;
  readonly #options: StationOptions;
  #process: Process | undefined;
  #lives = 0;

  constructor(options: StationOptions) {
    this.#options = options;
    this.name = options.name;
    this.disk = this.#newDisk();
  }

  get process(): Process | undefined {
    return this.#process?.alive === true ? this.#process : undefined;
  }

  start(): void {
    if (this.done || this.process !== undefined) return;
    const { world, live, died } = this.#options;
    const process = new Process(`${this.name}#${++this.#lives}`);
    this.#process = process;
    world.tell(process.name, "starts");
    const ended = (ending: Ending, why: string): void => {
      if (!process.alive) return;
      world.tell(process.name, `ends: ${why}`);
      process.kill();
      world.network.sever(process, false);
      this.done = ending === "done";
      if (!this.done) this.#startAfter(restartMs);
    };
    live(process, this.disk).then(
      (ending) => {
        ended(ending, ending);
      },
      (error: unknown) => {
        if (process.alive) ended(died(error), messageOf(error));
      },
    );
  }

  /** Ends the process in the place of the answer to one of its next calls of the disk. */
  crash(how: "kill" | "power", calls: number, downMs: number): void {
    const process = this.process;
    if (process === undefined) return;
    const spring = (): void => {
      if (!process.alive) return;
      this.#options.world.tell(process.name, how === "kill" ? "is killed" : "loses its power");
      process.kill();
      this.#options.world.network.sever(process, how === "power");
      if (how === "power") this.disk.platter.losePower(this.#options.world.draw);
      this.#startAfter(downMs);
    };
    if (calls === 0) spring();
    else this.disk.trap = { calls, spring };
  }

  pause(forMs: number): void {
    const { scheduler, network, tell } = this.#options.world;
    const process = this.process;
    if (process === undefined || process.paused) return;
    tell(process.name, "is paused");
    process.pause();
    scheduler.after(Math.min(forMs, silenceMs), undefined, () => {
      if (process.paused && forMs > silenceMs) network.sever(process, false);
    });
    scheduler.after(forMs, undefined, () => {
      scheduler.resume(process);
    });
  }

  /** What was on the disk is gone, and the operator knows it. */
  replaceDisk(): void {
    this.disk = this.#newDisk();
  }

  #newDisk(): VirtualDisk {
    const { name, world } = this.#options;
    const tell = (what: string): void => {
      world.tell(name, what);
    };
    return new VirtualDisk({ name, scheduler: world.scheduler, draw: world.draw, tell });
  }

  #startAfter(ms: number): void {
    this.#options.world.scheduler.after(ms, undefined, () => {
      this.start();
    });
  }
}
