// One stay at a server: its questions are answered in order until it sends the client away or is lost.
import { FederationError, isFederationError } from "@perennial-fl/core";
import type { Asked, ClientEvent } from "./client-event.js";
import type { Responder, Response } from "./responder.js";
import type { Question } from "./answer.js";
import type { ServedConnection } from "./start-client.js";

export interface ServeOptions {
  readonly observe: (event: ClientEvent) => void;
  readonly signal: AbortSignal;
  /** Called when the server has said something: it is really there. */
  readonly onContact: () => void;
}

/**
 * Returns the seconds after which the server wants the client back, 0 for never, `undefined` if the signal fired.
 * Throws `connection/lost`, also when the server just ends the stream.
 */
export async function serve(
  connection: ServedConnection,
  responder: Responder,
  { observe, signal, onContact }: ServeOptions,
): Promise<number | undefined> {
  // The answer under way is finished and kept; closing only ends the waiting for the next question.
  const stopped = (): boolean => signal.aborted;
  let answering = false;
  const leave = (): void => {
    if (!answering) void connection.close();
  };
  signal.addEventListener("abort", leave, { once: true });
  try {
    if (stopped()) return undefined;
    observe({ type: "connected", ...(connection.run !== undefined && { run: connection.run }) });
    for await (const instruction of connection.instructions()) {
      onContact();
      if (instruction.type === "reconnect") return instruction.seconds;
      const asked = askedOf(instruction);
      observe({ type: "asked", ...asked });
      answering = true;
      const response = await responder.respond(instruction, connection.run);
      answering = false;
      if (stopped()) return undefined;
      if (response.reply.type === "refused") observe(failed(asked, response.reply.message, response.error));
      await connection.reply(response.reply);
      if (response.reply.type !== "refused") {
        observe({ type: "answered", ...asked, fromStore: response.fromStore, ...summaryOf(response) });
      }
    }
    if (stopped()) return undefined;
    throw new FederationError("connection/lost", "the server ended the connection without saying when to come back");
  } finally {
    signal.removeEventListener("abort", leave);
    await connection.close();
  }
}

function failed(asked: Asked, message: string, error: unknown): ClientEvent {
  const code = isFederationError(error) ? error.code : "client/failed";
  return { type: "failed", ...asked, code, message, ...(error !== undefined && { error }) };
}

function askedOf(question: Question): Asked {
  const key = "key" in question ? question.key : undefined;
  return { question: question.type, ...(key && { key }) };
}

/** What of an answer is worth a line. */
function summaryOf({
  reply,
}: Response): Pick<Extract<ClientEvent, { type: "answered" }>, "loss" | "metrics" | "numExamples"> {
  switch (reply.type) {
    case "fit":
      return { numExamples: reply.numExamples, metrics: reply.metrics };
    case "evaluate":
      return { loss: reply.loss, numExamples: reply.numExamples, metrics: reply.metrics };
    case "parameters":
    case "properties":
    case "refused":
      return {};
  }
}
