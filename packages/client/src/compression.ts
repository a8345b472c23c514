// Updates sent as small differences where the server asks for it, and the memory of what rounding has lost of them.
import { deltaEntry, deltaPrecisions, encodeDelta, firstNonFinite, float32, sameHeader } from "@perennial-fl/core";
import type { Config, DeltaPrecision, Metrics, Parameters, Residuals, Saved, SavedState } from "@perennial-fl/core";
import type { Client } from "./client.js";

interface Update {
  readonly parameters: Parameters;
  readonly metrics: Metrics;
}

/** What rounding has lost, of the last update that was sent. */
export class Feedback {
  #residuals: Residuals = [];

  /**
   * The update as the server asks for it by `perennial.delta`. Without that, or for one that does not fit the model or is
   * not finite and so cannot count, what was given.
   */
  compressedAsAsked(update: Update, sent: Parameters, config: Config): Update {
    const precision = deltaPrecisions.find((known): known is DeltaPrecision => known === config[deltaEntry]);
    const { parameters, metrics } = update;
    const fits = parameters.length === sent.length && parameters.every((each, i) => sameHeader(each, sent[i] ?? each));
    const finite = parameters.every((each) => firstNonFinite(each) < 0);
    if (precision === undefined || !fits || !finite) return update;
    const { tensors, residuals } = encodeDelta(parameters, sent, this.#residuals, precision);
    this.#residuals = residuals;
    return { parameters: tensors, metrics: { ...metrics, [deltaEntry]: precision } };
  }

  get saved(): Saved | undefined {
    if (this.#residuals.every((held) => held === undefined)) return undefined;
    return Array.from(this.#residuals, (held) => (held ? float32([held.length], held) : null));
  }

  restore(saved: Saved | undefined): void {
    const tensors = (saved ?? []) as readonly (Parameters[number] | null)[];
    this.#residuals = tensors.map((held) => (held === null ? undefined : (held.data as Float32Array)));
  }
}

/** Its name in a client's state, beside what the client itself remembers. */
const entry = "perennial.feedback";

/** A client whose memory may be nothing at all. */
export type RememberingClient = Omit<Client, "save"> & { save(): Promise<SavedState | undefined> };

/** The client with the feedback as a part of its memory: one durable step keeps both. */
export function remembering(client: Client, feedback: Feedback): RememberingClient {
  const load: RememberingClient["load"] = async (state) => {
    const { [entry]: saved, ...own } = state;
    feedback.restore(saved);
    await client.load?.(saved === undefined ? state : own);
  };
  return {
    ...(client.getProperties && { getProperties: client.getProperties.bind(client) }),
    ...(client.getParameters && { getParameters: client.getParameters.bind(client) }),
    fit: client.fit.bind(client),
    evaluate: client.evaluate.bind(client),
    async save() {
      const own = await client.save?.();
      const { saved } = feedback;
      return saved === undefined ? own : { ...own, [entry]: saved };
    },
    // That a client has a state and cannot take it back is told by whoever would give it.
    ...((client.load !== undefined || client.save === undefined) && { load }),
  };
}
