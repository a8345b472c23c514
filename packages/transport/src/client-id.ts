// The names of clients: their own, checked, or a random one per connection.
import { randomUUID } from "node:crypto";
import { FederationError } from "@perennial-fl/core";
import type { ClientId } from "@perennial-fl/core";

const grammar = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * An id that a client gives itself: up to 128 letters, digits, dots, dashes and underscores, beginning with a letter
 * or digit, and without `..`; it becomes part of file names. Throws `argument/invalid`.
 */
export function checkClientId(id: string): ClientId {
  if (grammar.test(id) && !id.includes("..")) return id;
  const shown = JSON.stringify(id.slice(0, 128));
  throw new FederationError(
    "argument/invalid",
    `a client id is up to 128 letters, digits, ".", "_" and "-", begins with a letter or digit and holds no "..", unlike ${shown}`,
  );
}

/** The id of a client that did not say who it is: good for one connection. */
export function anonymousId(): ClientId {
  return `flower-${randomUUID()}`;
}
