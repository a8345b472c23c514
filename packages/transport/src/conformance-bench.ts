// What the conformance suite works with: a fleet, its events one by one, and tensors to send.
import { equal, ok } from "node:assert/strict";
import { inspect } from "node:util";
import { bytesOf, elementSize, memorySink, sameTensor, tensorFromBytes } from "@perennial-fl/core";
import type {
  Config,
  Connection,
  DType,
  Fleet,
  FleetEvent,
  Instruction,
  OpenSink,
  Parameters,
  Reply,
  RequestKey,
  StoredResult,
  Tensor,
} from "@perennial-fl/core";

type Question = Extract<Instruction, { type: "fit" }>;

/** A fleet under test and the ways to reach it. */
export interface TransportUnderTest {
  readonly fleet: Fleet;
  /** A client with its own id, or one that does not say who it is. */
  readonly connect: (clientId?: string) => Promise<Connection> | Connection;
}

export const key: RequestKey = { run: "r-1", round: 3, attempt: 2, phase: "fit" };
export const fit = (parameters: Parameters, config: Config = {}): Question => ({
  type: "fit",
  key,
  parameters,
  config,
});
export const fitReply = (update: Parameters): Reply<Parameters> => ({
  type: "fit",
  update,
  numExamples: 7,
  metrics: {},
});

/** What a test of a transport works with. */
export interface Bench extends TransportUnderTest {
  readonly events: AsyncIterator<FleetEvent, unknown>;
  /** The next event, which must be of this type. */
  readonly next: <T extends FleetEvent["type"]>(type?: T) => Promise<Extract<FleetEvent, { type: T }>>;
}

export async function using(
  make: (openSink: OpenSink) => Promise<TransportUnderTest>,
  act: (bench: Bench) => Promise<void>,
  openSink: OpenSink = () => memorySink(),
): Promise<void> {
  const { fleet, connect } = await make(openSink);
  const events = fleet.events()[Symbol.asyncIterator]();
  const connections: Connection[] = [];
  const next: Bench["next"] = async (type) => {
    const { value } = (await events.next()) as { value: FleetEvent | undefined };
    if (type !== undefined) equal(value?.type, type, inspect(value));
    return value as never;
  };
  const remember = async (clientId?: string): Promise<Connection> => {
    const connection = await connect(clientId);
    connections.push(connection);
    return connection;
  };
  try {
    await act({ fleet, connect: remember, events, next });
  } finally {
    await fleet.close();
    await Promise.all(connections.map((connection) => connection.close()));
  }
}

export async function first(connection: Connection): Promise<Instruction> {
  const { value } = (await connection.instructions()[Symbol.asyncIterator]().next()) as { value: Instruction };
  return value;
}

/** A tensor with distinct bytes, valid for its type and finite. */
export function numbers(dtype: DType, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, length) => product * length, 1);
  const size = elementSize(dtype);
  const bytes = Uint8Array.from({ length: count * size }, (_, i) => (dtype === "bool" ? i % 2 : (i * 7) % 60));
  return tensorFromBytes(dtype, shape, bytes);
}

export function storedIn(reply: Reply<StoredResult>): Parameters {
  if (reply.type !== "fit") return [];
  return reply.update.tensors.map((_, index) => reply.update.read(index));
}

export function sameParameters(actual: Parameters, expected: Parameters): void {
  equal(actual.length, expected.length);
  for (const [index, tensor] of expected.entries()) {
    const other = actual[index] as Tensor;
    ok(sameTensor(tensor, other), `tensor ${index}, ${tensor.dtype}, ${bytesOf(other).byteLength} bytes`);
  }
}
