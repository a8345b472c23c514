// `perennial client`: serves a federation with the client of an app file.
import { Command } from "commander";
import { startClient } from "@perennial-fl/client";
import type { ClientEvent } from "@perennial-fl/client";
import { loadApp } from "./app.js";
import { clientLine } from "./client-lines.js";
import type { ExitCode } from "./exit-codes.js";
import { readGiven } from "./given-file.js";
import { runSession } from "./session.js";
import { watchApp } from "./stray-failure.js";
import { address, clientId, seconds, text } from "./values.js";
import { jsonView, lineView } from "./view.js";

interface ClientArguments {
  readonly server: string;
  readonly app: string;
  readonly id: string;
  readonly stateDir: string;
  readonly giveUpAfter?: number;
  readonly keepalive?: number;
  readonly tls?: true;
  readonly tlsCa?: string;
  readonly json?: true;
}

/** The command; `appArguments` is what stood after `--`, and `exit` is told the code when the client has ended. */
export function clientCommand(appArguments: readonly string[], exit: (code: ExitCode) => void): Command {
  return new Command("client")
    .description("take part in a federation; run again with the same directory, it goes on where it was")
    .usage("[options] [-- APP ARGUMENTS]")
    .requiredOption("--server <HOST:PORT>", "the server's address", address("--server", 1))
    .requiredOption("--app <FILE.js>", "exports the client, or a function that makes it", text("--app", "a file"))
    .requiredOption("--id <NAME>", "the client's lasting name", clientId())
    .requiredOption(
      "--state-dir <DIR>",
      "where the client's state is kept; created if its parent exists",
      text("--state-dir", "a directory"),
    )
    .option(
      "--give-up-after <SECONDS>",
      "end when the server stays away so long (default: never)",
      seconds("--give-up-after"),
    )
    .option(
      "--keepalive <SECONDS>",
      "how often a silent server is asked whether it is alive (default: 300, as stock Flower servers want it)",
      seconds("--keepalive"),
    )
    .option("--tls", "encrypt, and trust the system's certificate authorities")
    .option("--tls-ca <FILE.pem>", "encrypt, and trust this certificate authority", text("--tls-ca", "a file"))
    .option("--json", "one JSON object a line")
    .action(async (given: ClientArguments) => {
      exit(await takePart(given, appArguments));
    });
}

async function takePart(given: ClientArguments, appArguments: readonly string[]): Promise<ExitCode> {
  const { server, app, id, stateDir, giveUpAfter, keepalive, json = false } = given;
  const tls =
    given.tlsCa !== undefined
      ? { rootCertificates: await readGiven("--tls-ca", given.tlsCa) }
      : given.tls === true
        ? {}
        : undefined;
  return runSession<ClientEvent>({
    view: json ? jsonView(process.stdout, () => new Date()) : lineView(process.stdout, clientLine),
    stateDir,
    json,
    async work(show, signal, openDirectory) {
      const stray = watchApp(app);
      const makeClient = await loadApp(app);
      await openDirectory();
      const client = await makeClient({ id, stateDir, arguments: appArguments });
      let finished = false;
      const served = startClient({
        serverAddress: server,
        client,
        clientId: id,
        stateDir,
        signal: AbortSignal.any([signal, stray.signal]),
        observe: (event) => {
          finished ||= event.type === "finished" && event.reason === "server";
          show(event);
        },
        ...(tls && { tls }),
        ...(giveUpAfter !== undefined && { backoff: { giveUpAfterMs: giveUpAfter * 1000 } }),
        ...(keepalive !== undefined && { keepaliveMs: keepalive * 1000 }),
      });
      await Promise.race([served, stray.failed]);
      stray.release();
      return finished;
    },
  });
}
