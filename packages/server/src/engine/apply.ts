// What each event changes in what the engine knows. Nothing is decided here.
import { sameKey } from "@perennial-fl/core";
import type { ClientId } from "@perennial-fl/core";
import { stopTimer } from "../plan.js";
import { ImmutableMap } from "./immutable-map.js";
import { deadlineTimer, sameQuestion } from "./progress.js";
import type {
  Admission,
  Durable,
  EngineEvent,
  EngineState,
  JournalledFact,
  Opening,
  Outcome,
  PhaseProgress,
  Presence,
} from "./types.js";

/** The state after an event. Facts from the journal are applied by the same rules on resume. */
export function apply(state: EngineState, event: EngineEvent): EngineState {
  switch (event.type) {
    case "started":
      return state;
    case "joined":
      return joined(state, event);
    case "left":
      return left(state, event.client);
    case "replied":
    case "unreadable":
      return answered(state, event);
    case "elapsed":
      return elapsed(state, event.timer);
    case "opened":
      return opened(state, event);
    case "accepted":
      return { ...state, open: withOutcomes(state, event, [[event.client, event.answer]]) };
    case "dropped":
      return {
        ...state,
        open: withOutcomes(
          state,
          event,
          event.failures.map((failure) => [failure.client, { type: "failed", failure }]),
        ),
      };
    case "admitted":
      return admitted(state, event);
    case "moved":
      return { ...state, open: { ...state.open, moved: event } };
    case "measured":
      return { ...state, open: { ...state.open, central: { loss: event.loss, metrics: event.metrics } } };
    case "checkpointed":
      return { ...state, open: { ...state.open, checkpointed: true } };
    case "committed":
      return committed(state, event.durable);
  }
}

/** The presences of many clients at once: one copy of what is known, however many they are. */
export function withPresences(state: EngineState, changed: ReadonlyMap<ClientId, Presence>): EngineState {
  return changed.size === 0 ? state : { ...state, clients: state.clients.withAll(changed) };
}

/** The client's presence, or its absence when `undefined`. */
export function withPresence(state: EngineState, client: ClientId, presence: Presence | undefined): EngineState {
  const { clients } = state;
  return { ...state, clients: presence === undefined ? clients.without(client) : clients.with(client, presence) };
}

export function withTimer(state: EngineState, timer: string): EngineState {
  return { ...state, timers: new Set(state.timers).add(timer) };
}

/** The timer that ends the wait for a client that lost its connection. */
export function rejoinTimer(client: ClientId): string {
  return `rejoin:${client}`;
}

function committed(state: EngineState, durable: Durable): EngineState {
  const skipped = durable.history.at(-1)?.outcome === "skipped" ? state.skipped + 1 : 0;
  const underWay = new Set([...state.clients.values()].map(({ asked }) => asked?.round));
  const versions = new Map([...state.versions].filter(([round]) => underWay.has(round)));
  return { ...state, durable, open: {}, skipped, versions };
}

/** A late answer counts once, however often it comes. */
function admitted(state: EngineState, { key, into, late }: Admission): EngineState {
  const before = [...(state.open.late ?? []).map((each) => each.late), ...(state.durable.carried ?? [])];
  if (before.some(({ client, round }) => client === late.client && round === late.round)) return state;
  return { ...state, open: { ...state.open, late: [...(state.open.late ?? []), { key, into, late }] } };
}

function joined(state: EngineState, { client, identified }: Extract<EngineEvent, { type: "joined" }>): EngineState {
  const timers = new Set(state.timers);
  timers.delete(rejoinTimer(client));
  return withPresence({ ...state, timers }, client, { identified, connected: true });
}

/**
 * Whoever was on the roster at the opening and is not here is expected back: so it is after a restart. A phase that is
 * opened again has grown: its answers stay.
 */
function opened(state: EngineState, { key, cohort, roster }: Opening): EngineState {
  const known = state.open[key.phase];
  const away = roster.map((client): [ClientId, Presence] => [client, { identified: true, connected: false }]);
  return {
    ...state,
    clients: ImmutableMap.of([...away, ...state.clients]),
    open: withPhase(state, { outcomes: ImmutableMap.of(), ...(sameQuestion(known, key) ? known : {}), key, cohort }),
  };
}

/** A client with an id of its own stays on the roster and is expected back; another is gone for good. */
function left(state: EngineState, client: ClientId): EngineState {
  const presence = state.clients.get(client);
  if (presence === undefined) return state;
  const expected = presence.identified && !state.ending;
  return withPresence(state, client, expected ? { identified: true, connected: false } : undefined);
}

/** Only the answer to what was asked sets a client free: another copy of an older one must not have it asked again. */
function answered(
  state: EngineState,
  { client, key }: Extract<EngineEvent, { type: "replied" | "unreadable" }>,
): EngineState {
  const presence = state.clients.get(client);
  if (presence?.asked === undefined || key === undefined || !sameKey(presence.asked, key)) return state;
  return withPresence(state, client, { identified: presence.identified, connected: presence.connected });
}

/** A client that has not come back in time leaves the roster. */
function elapsed(state: EngineState, timer: string): EngineState {
  const timers = new Set(state.timers);
  timers.delete(timer);
  if (timer === stopTimer) return { ...state, timers, stopping: true };
  const { fit } = state.open;
  if (fit && deadlineTimer(fit.key) === timer) {
    return { ...state, timers, open: { ...state.open, fit: { ...fit, closed: true } } };
  }
  const gone = [...state.clients].find(([client, { connected }]) => !connected && rejoinTimer(client) === timer);
  return gone ? withPresence({ ...state, timers }, gone[0], undefined) : { ...state, timers };
}

function withPhase(state: EngineState, progress: PhaseProgress): EngineState["open"] {
  return { ...state.open, [progress.key.phase]: progress };
}

/** The first outcome of a client stands: a repeated answer changes nothing. */
function withOutcomes(
  state: EngineState,
  { key }: JournalledFact,
  added: readonly (readonly [ClientId, Outcome])[],
): EngineState["open"] {
  const progress = state.open[key.phase];
  if (progress === undefined) return state.open;
  let { outcomes } = progress;
  for (const [client, outcome] of added) if (!outcomes.has(client)) outcomes = outcomes.with(client, outcome);
  return withPhase(state, { ...progress, outcomes });
}
