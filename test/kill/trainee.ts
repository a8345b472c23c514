// What the trainee program is given and says, and the module that it and its server begin with.
import { dropout, linear, relu, sequential } from "@perennial-fl/module";

export interface TraineeTask {
  readonly serverAddress: string;
  readonly stateDir: string;
  /** After it has kept so many steps of a training, it waits to be killed. */
  readonly waitsAfter?: number;
}

/** What it says: the steps of the training in hand that are kept, and those it found when it was asked. */
export interface TraineeLine {
  readonly type: "found" | "kept";
  readonly steps: number;
}

/** What server and client begin with. */
export const traineeModule = sequential([linear(3, 8), relu(), dropout(0.5), linear(8, 2)], { input: [3], seed: 1 });
