// What a server's command line was, kept in its state directory for `perennial resume`.
import { resolve } from "node:path";
import { PerRoundStateCheckpointer } from "@perennial-fl/checkpointer";
import { FederationError, checkedSchema } from "@perennial-fl/core";
import type { SavedState } from "@perennial-fl/core";
import type { ServerArguments } from "./server-run.js";
import { isStrategyFile } from "./strategy-file.js";

const name = "server-command";
const schema = 1;

export interface RunRecord {
  readonly given: ServerArguments;
  /** The bytes of the model's file: the file itself may be moved or changed. */
  readonly module: Uint8Array;
}

/** Keeps the record, durable on return. Paths are kept as absolute ones. To be called by the owner of the directory. */
export async function saveRunRecord(directory: string, { given, module }: RunRecord): Promise<void> {
  const { tlsCert, tlsKey, strategy, ...rest } = given;
  const paths = {
    strategy: isStrategyFile(strategy) ? resolve(strategy) : strategy,
    ...(tlsCert === undefined ? {} : { tlsCert: resolve(tlsCert) }),
    ...(tlsKey === undefined ? {} : { tlsKey: resolve(tlsKey) }),
  };
  // Options are numbers, texts and objects of them; their interfaces only lack an index signature.
  const plain = { ...rest, ...paths } as unknown as SavedState;
  await new PerRoundStateCheckpointer(directory).saveCheckpoint(name, {
    kind: name,
    schema,
    given: plain,
    module,
  });
}

/**
 * Throws `resume/nothing` if no server ran here, and `checkpoint/newer-version` or `checkpoint/corrupt` for a record that
 * cannot be gone on from.
 */
export async function loadRunRecord(directory: string): Promise<RunRecord> {
  const records = new PerRoundStateCheckpointer(directory);
  if (!(await records.checkpointExists(name))) {
    throw new FederationError(
      "resume/nothing",
      `${directory} does not say how its server was started: give the options to perennial server once more`,
    );
  }
  const { schema: version, given, module } = await records.loadCheckpoint(name);
  checkedSchema(version, schema, `${name} in ${directory}`);
  if (!(module instanceof Uint8Array)) {
    throw new FederationError("checkpoint/corrupt", `${name} in ${directory} is damaged: it holds no module`);
  }
  return { given: given as unknown as ServerArguments, module };
}
