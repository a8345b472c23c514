// What happens to a client, told to whoever observes it.
import type { ErrorCode, Metrics, RequestKey } from "@perennial-fl/core";
import type { Question } from "./answer.js";

/** Which question. */
export type Asked = { readonly question: Question["type"]; readonly key?: RequestKey };

export type ClientEvent =
  | { readonly type: "started"; readonly clientId: string; readonly stateDir?: string }
  | { readonly type: "connected"; readonly run?: string }
  /** The client was given back the state that it had after this answer. */
  | { readonly type: "restored"; readonly run: string | null; readonly key: RequestKey }
  | ({ readonly type: "asked" } & Asked)
  /** The answer was handed to the network. */
  | ({
      readonly type: "answered";
      /** It had been given before, and nothing was trained or evaluated again. */
      readonly fromStore: boolean;
      readonly numExamples?: number;
      readonly loss?: number;
      readonly metrics?: Metrics;
    } & Asked)
  /** The client could not answer, and the server was told so. */
  | ({ readonly type: "failed"; readonly code: ErrorCode; readonly message: string; readonly error?: unknown } & Asked)
  | { readonly type: "warning"; readonly message: string }
  | { readonly type: "disconnected"; readonly message: string }
  /** `told`: the server said for how long; `back-off`: the server could not be reached. */
  | { readonly type: "waiting"; readonly ms: number; readonly reason: "back-off" | "told" }
  /** `server`: the run is over; `stopped`: the signal fired. */
  | { readonly type: "finished"; readonly reason: "server" | "stopped" };
