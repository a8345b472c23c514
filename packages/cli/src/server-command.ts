// `perennial server`: runs a federated server over a state directory.
import { Command } from "commander";
import { deltaPrecisions } from "@perennial-fl/core";
import type { Durability, Resume } from "@perennial-fl/server";
import { strategies } from "@perennial-fl/strategy";
import type { ExitCode } from "./exit-codes.js";
import { readGiven } from "./given-file.js";
import { serve } from "./server-run.js";
import type { ServerArguments } from "./server-run.js";
import { nameOrFile, strategyOptions } from "./strategy-options.js";
import { address, choice, fraction, integer, positive, retention, seconds, text, whole } from "./values.js";

interface Given extends ServerArguments {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** The command; `exit` is told the code when the server has ended. */
export function serverCommand(exit: (code: ExitCode) => void): Command {
  const names = Object.keys(strategies);
  const command = new Command("server")
    .description("run a federated server; run again with the same directory, it goes on where it was")
    .requiredOption("--module <FILE.onnx>", "the global model at the beginning", text("--module", "a file"))
    .requiredOption("--rounds <N>", "rounds from the beginning of the run", whole("--rounds", 1))
    .requiredOption("--min-clients <K>", "clients that a round needs", whole("--min-clients", 1))
    .requiredOption(
      "--state-dir <DIR>",
      "where the run is kept; created if its parent exists",
      text("--state-dir", "a directory"),
    )
    .option("--address <HOST:PORT>", "where to listen; port 0 takes a free one", address("--address", 0), "[::]:8080")
    .option("--strategy <NAME>", `one of ${names.join(", ")}, or your own: FILE.js`, nameOrFile, "fedavg")
    .option("--fraction-fit <SHARE>", "share of the clients that trains in a round", fraction("--fraction-fit"), 1)
    .option("--fraction-evaluate <SHARE>", "share that evaluates; 0 skips it", fraction("--fraction-evaluate"), 1)
    .option(
      "--late <POLICY>",
      "what becomes of an update that comes after its round: drop, or stale: it counts later, by its age",
      choice("--late", ["drop", "stale"] as const),
      "drop" as const,
    )
    .option(
      "--compress <PRECISION>",
      "our own clients send differences as float16 or int8: half or a quarter of the bytes",
      choice("--compress", deltaPrecisions),
    )
    .option("--round-timeout <SECONDS>", "leaves out who has not answered by then", seconds("--round-timeout"))
    .option("--wait-timeout <SECONDS>", "gives up when too few clients come by then", seconds("--wait-timeout"))
    .option("--patience <ROUNDS>", "ends the run after so many rounds without a better loss", whole("--patience", 1))
    .option("--max-update-norm <N>", "rejects updates farther from the model than this", positive("--max-update-norm"))
    .option("--max-examples <N>", "the most examples that an update counts with", whole("--max-examples", 1))
    .option("--rejoin-timeout <SECONDS>", "how long a lost client is expected back", seconds("--rejoin-timeout"), 300)
    .option("--restart-seconds <SECONDS>", "how long clients stay away after Ctrl-C", whole("--restart-seconds", 1), 10)
    .option(
      "--resume <HOW>",
      "auto: go on if there is a run; require: insist on one; never: refuse one",
      choice("--resume", ["auto", "require", "never"] as const),
      "auto" as Resume,
    )
    .option(
      "--durability <OF>",
      "what no power loss may take: each accepted result, or (faster) each committed round",
      choice("--durability", ["result", "round"] as const),
      "result" as Durability,
    )
    .option(
      "--keep-states <POLICY>",
      "states of former rounds to roll back to: last=K,first,every=N,best=K",
      retention("--keep-states"),
    )
    .option("--keep-modules <POLICY>", "the same for the models of former rounds", retention("--keep-modules"))
    .option("--seed <N>", "decides which clients are drawn", integer("--seed"), 0)
    .option("--tls-cert <FILE.pem>", "the server's certificate", text("--tls-cert", "a file"))
    .option("--tls-key <FILE.pem>", "its private key", text("--tls-key", "a file"))
    .option("--verbose", "says where each round's time went")
    .option("--json", "one JSON object a line");
  for (const option of strategyOptions()) command.addOption(option);
  return command.action(async ({ json = false, verbose = false, ...given }: Given) => {
    exit(await serve(given, { bytes: await readGiven("--module", given.module), json, verbose }));
  });
}
