// The hard part of `npm run demo:resume`: kill the server in the middle of a round and a client while it trains.
import { FederationError } from "@perennial-fl/core";
import { startClient, startServer } from "./federation.js";
import type { ClientSaid, Federation, Observers, ServerSaid } from "./federation.js";

type Said<Type extends ServerSaid["type"]> = Extract<ServerSaid, { type: Type }>;

/** What was seen of an interruption. */
export interface Interruption {
  readonly round: number;
  readonly killedClient: string;
  /** Whose answer was known to be accepted before the kill. */
  readonly accepted: readonly string[];
  /** What the restarted server said first. */
  readonly resumed: Said<"resumed">;
}

/**
 * Waits for the first accepted update of `round`, kills the server and a client that is still training, and starts
 * both again with the same commands.
 */
export async function interrupt(
  federation: Federation,
  round: number,
  observers: Observers,
  say: (line: string) => void,
): Promise<{ readonly federation: Federation; readonly seen: Interruption }> {
  const { plan, address, server, clients } = federation;
  // A process that fails before is heard at once, and not waited for in vain.
  const failure = Promise.all([server, ...clients.values()].map((child) => child.ended));
  await Promise.race([server.until((event) => isAccepted(event, round)), failure]);
  const killedClient = [...clients.keys()].find((id) => isTraining(clients.get(id)?.events ?? [], round));
  const killed = killedClient === undefined ? undefined : clients.get(killedClient);
  if (killedClient === undefined || killed === undefined) {
    throw new FederationError("client/failed", `no client was training any more when round ${round} was to be cut`);
  }
  killed.kill();
  server.kill();
  await Promise.all([killed.ended, server.ended]);
  const accepted = server.events.flatMap((event) => (isAccepted(event, round) ? [event.client] : []));
  say(
    `SIGKILL: the server, in round ${round} after it had accepted ${accepted.join(", ")}; and ${killedClient}, while it trained`,
  );
  say("both are started again with the same commands");
  const restartedServer = startServer(plan, address, observers);
  const restarted = new Map(clients).set(killedClient, startClient(plan, killedClient, address, observers));
  const resumed = (await restartedServer.until(({ type }) => type === "resumed")) as Said<"resumed">;
  return {
    federation: { ...federation, server: restartedServer, clients: restarted },
    seen: { round, killedClient, accepted, resumed },
  };
}

/** Who was asked to train in this round by the restarted server. */
export function askedAgain(server: readonly ServerSaid[], round: number): string[] {
  const asked = server.filter((event): event is Said<"client-asked"> => event.type === "client-asked");
  return [
    ...new Set(asked.filter((event) => event.round === round && event.phase === "fit").map(({ client }) => client)),
  ];
}

/** What went against the promise: nothing, if all is well. */
export function brokenPromises(seen: Interruption, asked: readonly string[]): string[] {
  const { accepted, killedClient, resumed } = seen;
  const lost = accepted.filter((client) => !resumed.answered.includes(client));
  const repeated = resumed.answered.filter((client) => asked.includes(client));
  return [
    ...lost.map((client) => `the accepted update of ${client} was lost`),
    ...repeated.map((client) => `${client} had answered and was asked again`),
    ...(asked.includes(killedClient) ? [] : [`${killedClient} was killed while it trained and was not asked again`]),
  ];
}

function isAccepted(event: ServerSaid, round: number): event is Said<"result-accepted"> {
  return event.type === "result-accepted" && event.round === round && event.phase === "fit";
}

/** Whether a client was asked to train in this round and has not answered. */
function isTraining(events: readonly ClientSaid[], round: number): boolean {
  const concerns = (event: ClientSaid): boolean =>
    (event.type === "asked" || event.type === "answered") && event.question === "fit" && event.key?.round === round;
  return events.filter(concerns).at(-1)?.type === "asked";
}
