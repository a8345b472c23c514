// Answers question after question: from the store where it can, from the client and its rightful state where it must.
import { keyText, messageOf } from "@perennial-fl/core";
import type { Parameters, Reply, RequestKey, SavedState } from "@perennial-fl/core";
import { parametersSha256 } from "@perennial-fl/checkpointer";
import { findAnswer, originOf, valid } from "./answer-record.js";
import type { AnswerRecord } from "./answer-record.js";
import type { AnswerStore } from "./answer-store.js";
import { answer } from "./answer.js";
import type { Question } from "./answer.js";
import type { Client } from "./client.js";
import { Feedback, remembering } from "./compression.js";
import type { RememberingClient } from "./compression.js";
import type { ClientEvent } from "./client-event.js";
import type { Progress } from "./progress.js";

export interface ResponderOptions {
  readonly client: Client;
  readonly clientId: string;
  readonly store: AnswerStore;
  readonly signal: AbortSignal;
  readonly observe: (event: ClientEvent) => void;
}

type Options = Omit<ResponderOptions, "client"> & { readonly client: RememberingClient };

export interface Response {
  readonly reply: Reply<Parameters>;
  /** The question had been answered before, and the client was not asked again. */
  readonly fromStore: boolean;
  /** Why the reply is a refusal. */
  readonly error?: unknown;
}

/**
 * The client's memory, kept in step with what the server knows. An answer and the state after it are durable before
 * `respond` gives the answer out; so a client that dies at any instant answers the same question with the same bytes.
 */
export class Responder {
  readonly #options: Options;
  readonly #feedback: Feedback;
  /** What a fresh client begins a run with, taken before anything was loaded into it. */
  readonly #fresh: SavedState | undefined;
  #run: string | null | undefined;
  /** The record whose state the client now has; `unknown` after a failure. */
  #has: number | "fresh" | "unknown" = "fresh";

  private constructor(options: Options, feedback: Feedback, fresh: SavedState | undefined) {
    this.#options = options;
    this.#feedback = feedback;
    this.#fresh = fresh;
  }

  /** Throws what reading the store throws: what cannot be gone on from is told before any server is met. */
  static async open(options: ResponderOptions): Promise<Responder> {
    await options.store.check();
    const feedback = new Feedback();
    const client = remembering(options.client, feedback);
    return new Responder({ ...options, client }, feedback, await client.save());
  }

  /** `run` is what the connection says of the server's run. Never throws for a client's failure. */
  async respond(question: Question, run: string | undefined): Promise<Response> {
    const { client, clientId, signal, observe } = this.#options;
    const key = "key" in question ? question.key : undefined;
    try {
      const records = await this.#recordsOf(key?.run ?? run);
      const digest = "parameters" in question ? parametersSha256(question.parameters) : null;
      const kept = key && digest !== null ? findAnswer(records, key, digest) : undefined;
      if (kept?.reply) return { reply: kept.reply, fromStore: true };
      const origin = await this.#restore(records, key);
      const warn = (message: string): void => {
        observe({ type: "warning", message });
      };
      const progress = await this.#progress(question, key, digest, origin);
      const context = { clientId, signal, warn, ...(key && { key }), ...(progress && { progress }) };
      const { reply: given, error } = await answer(client, question, context);
      const reply = this.#asAsked(given, question);
      // Half a training may have changed the client: the next question finds it as the last answer left it.
      if (error !== undefined) {
        this.#has = "unknown";
        return { reply, fromStore: false, error };
      }
      if (reply.type === "fit" || reply.type === "evaluate") await this.#commit(reply, key, digest, origin);
      return { reply, fromStore: false };
    } catch (error) {
      // The client's own state could not be read, given back or kept: an answer now could not be repeated later.
      this.#has = "unknown";
      return { reply: { type: "refused", message: messageOf(error) }, fromStore: false, error };
    }
  }

  #asAsked(reply: Reply<Parameters>, question: Question): Reply<Parameters> {
    if (reply.type !== "fit" || question.type !== "fit") return reply;
    const { update: parameters, metrics } = reply;
    const asked = this.#feedback.compressedAsAsked({ parameters, metrics }, question.parameters, question.config);
    return { ...reply, update: asked.parameters, metrics: asked.metrics };
  }

  /** The records that hold for a run; a run that is new here begins with the state of a fresh client. */
  async #recordsOf(named: string | undefined): Promise<AnswerRecord[]> {
    const all = await this.#options.store.records();
    const newest = all.reduce<AnswerRecord | undefined>((a, b) => (a && a.sequence > b.sequence ? a : b), undefined);
    // A server that names no run goes on with the run that was served last.
    const run = named ?? newest?.run ?? null;
    const records = valid(all, run);
    if (records.length === 0) {
      if (newest) this.#warn(otherRun(newest.run, run));
      const state = this.#fresh === undefined ? "none" : ({ saved: this.#fresh } as const);
      const nothing = { key: null, digest: null, reply: null, follows: null };
      const first = await this.#options.store.commit({ run, ...nothing, state });
      records.push(first);
      if (this.#has === "fresh") this.#has = first.sequence;
    }
    this.#run = run;
    return records;
  }

  /** Gives the client the state that the question starts from, unless it has it. Returns the record of that state. */
  async #restore(records: readonly AnswerRecord[], key: RequestKey | undefined): Promise<number> {
    const origin = originOf(records, key);
    if (origin.type === "lost") {
      const newest = records.at(-1) as AnswerRecord;
      this.#warn(
        `asked for ${keyText(key as RequestKey)} after ${keyText(origin.last)} was answered: the state before that is ` +
          `no longer kept, so the client goes on with the state it has`,
      );
      return typeof this.#has === "number" ? this.#has : this.#give(newest);
    }
    return this.#has === origin.record.sequence ? this.#has : this.#give(origin.record);
  }

  async #give({ sequence, key, run, state }: AnswerRecord): Promise<number> {
    const { client, observe } = this.#options;
    if (typeof state === "object") {
      if (client.load === undefined) {
        this.#warn("a saved state cannot be given back: the client has save and no load");
      } else {
        await client.load(state.saved);
      }
    }
    this.#has = sequence;
    if (key !== null) observe({ type: "restored", run, key });
    return sequence;
  }

  #progress(
    question: Question,
    key: RequestKey | undefined,
    digest: string | null,
    follows: number,
  ): Promise<Progress> | undefined {
    return question.type === "fit" && key && digest !== null
      ? this.#options.store.progress({ key, digest, follows })
      : undefined;
  }

  async #commit(
    reply: Reply<Parameters>,
    key: RequestKey | undefined,
    digest: string | null,
    origin: number,
  ): Promise<void> {
    const { client, store } = this.#options;
    const saved = await client.save();
    const record = await store.commit({
      run: this.#run ?? null,
      key: key ?? null,
      digest,
      reply: key ? reply : null,
      follows: origin,
      state: await this.#stateToKeep(saved, reply, origin),
    });
    this.#has = record.state === "unchanged" ? origin : record.sequence;
  }

  async #stateToKeep(
    saved: SavedState | undefined,
    reply: Reply<Parameters>,
    origin: number,
  ): Promise<AnswerRecord["state"]> {
    if (saved === undefined) return "none";
    const { store } = this.#options;
    const from = (await store.records()).find(({ sequence }) => sequence === origin);
    const same = reply.type === "evaluate" && typeof from?.state === "object" && from.state.saved === saved;
    return same ? "unchanged" : { saved };
  }

  #warn(message: string): void {
    this.#options.observe({ type: "warning", message });
  }
}

function otherRun(kept: string | null, served: string | null): string {
  const name = (run: string | null): string => (run === null ? "a run without a name" : `run ${run}`);
  return `the client's directory holds answers of ${name(kept)}, and the server serves ${name(served)}: begins anew, with a fresh state`;
}
