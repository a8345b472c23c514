// One client's HTTP/2 connection: how long it may idle, how often it may ask, and whether it is alive.
import { constants } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { StreamingLimits } from "./limits.js";

/** Serves the calls of a connection with `serve` and ends it when it misbehaves or is dead. */
export function watchSession(
  session: ServerHttp2Session,
  limits: StreamingLimits,
  serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
): void {
  const refuse = (): void => {
    if (session.destroyed) return;
    session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from("too_many_pings"));
    session.destroy();
  };
  const calls = new Allowance(limits.burst);
  const pings = new Allowance(limits.burst);
  let open = 0;
  let idle = setTimeout(() => {
    session.destroy();
  }, limits.idleMs);
  const keepalive = setInterval(() => {
    askWhetherAlive(session, limits.keepaliveTimeoutMs);
  }, limits.keepaliveMs);
  // An error of a connection is its end; its calls say so to those whom it concerns.
  session.on("error", () => undefined);
  session.on("ping", () => {
    if (!pings.take()) refuse();
  });
  session.on("stream", (stream, headers) => {
    // Opening calls and resetting them at once costs a client nothing and us much ("rapid reset").
    if (!calls.take()) {
      stream.on("error", () => undefined);
      refuse();
      return;
    }
    open++;
    clearTimeout(idle);
    stream.on("close", () => {
      open--;
      if (open === 0 && !session.closed)
        idle = setTimeout(() => {
          session.destroy();
        }, limits.idleMs);
    });
    serve(stream, headers);
  });
  session.on("close", () => {
    clearTimeout(idle);
    clearInterval(keepalive);
  });
}

function askWhetherAlive(session: ServerHttp2Session, timeoutMs: number): void {
  if (session.destroyed || session.closed) return;
  const timer = setTimeout(() => {
    session.destroy();
  }, timeoutMs);
  session.ping(() => {
    clearTimeout(timer);
  });
}

/** So many at once, and one a second after that. */
class Allowance {
  readonly #most: number;
  #left: number;
  #since = performance.now();

  constructor(most: number) {
    this.#most = most;
    this.#left = most;
  }

  take(): boolean {
    const now = performance.now();
    this.#left = Math.min(this.#most, this.#left + (now - this.#since) / 1000);
    this.#since = now;
    this.#left--;
    return this.#left >= 0;
  }
}
