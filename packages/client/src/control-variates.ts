// SCAFFOLD on the client: its own control variate, and what it answers with (Karimireddy et al. 2020, arXiv 1910.06378).
import { FederationError, float32, scaffoldNames, unpackRecords, zeros } from "@perennial-fl/core";
import type { Config, Parameters, Records, Tensor } from "@perennial-fl/core";
import type { Optimizer } from "@perennial-fl/module";
import { numberIn } from "./local-training.js";

/** cᵢ after the client's update of a round; the one of round 0 is 0 and is not kept. */
export type Variate = { readonly round: number; readonly control: Parameters };

/**
 * The variates that the server may count on: of the last update that it is known to have counted, and of the one after,
 * of which the next instruction says whether it counted.
 */
export type Variates = readonly Variate[];

/** What a round begins with. */
export interface Corrected {
  readonly model: Parameters;
  /** c. */
  readonly control: Parameters;
  /** cᵢ, as far as the server counts on it. */
  readonly own: Variate;
  /** c − cᵢ: what is added to every gradient. */
  readonly corrections: Parameters;
}

/**
 * Takes an instruction apart. Throws `model/mismatch` where the server sends no control variate, and `client/failed`
 * where it counts on a variate that this client does not have: going on without it would spoil c for good.
 */
export function beginCorrected(received: Parameters, config: Config, kept: Variates, clientId: string): Corrected {
  const { model, records } = unpackRecords(received, config);
  const control = records[scaffoldNames.control];
  const counted = numberIn(config, scaffoldNames.counted);
  if (control?.length !== model.length || counted === undefined) {
    const message = `SCAFFOLD needs the record ${scaffoldNames.control} and ${scaffoldNames.counted} with an instruction, and the server's strategy sends none`;
    throw new FederationError("model/mismatch", message);
  }
  const own = counted === 0 ? { round: 0, control: zerosLike(model) } : kept.find(({ round }) => round === counted);
  if (own === undefined) {
    const message = `the server counts on the control variate that ${clientId} had after round ${counted}, and it is not in the client's state; start it with the directory it had, or under another id`;
    throw new FederationError("client/failed", message);
  }
  return { model, control, own, corrections: combined(model, (_, i, e) => at(control, i, e) - at(own.control, i, e)) };
}

/** The variate after training, and the record that tells the server of it. `rate` is K·η, steps times learning rate. */
export function endCorrected(
  { model, control, own }: Corrected,
  trained: Parameters,
  { round, rate }: { readonly round: number; readonly rate: number },
): { readonly kept: Variates; readonly records: Records } {
  // Option II: cᵢ⁺ = cᵢ − c + (x − yᵢ) / (K η).
  const next = combined(model, (x, i, e) => at(own.control, i, e) - at(control, i, e) + (x - at(trained, i, e)) / rate);
  const delta = combined(model, (_, i, e) => at(next, i, e) - at(own.control, i, e));
  const before = own.round === 0 ? [] : [own];
  return { kept: [...before, { round, control: next }], records: { [scaffoldNames.delta]: delta } };
}

/** Throws `argument/invalid` for an optimizer of which option II would not give the mean gradient. */
export function requirePlainSgd(optimizer: Optimizer): void {
  if (optimizer.state([{ name: "any", dtype: "float32", shape: [] }]).length === 0) return;
  const message = `SCAFFOLD takes the mean gradient from how far plain SGD went, and ${optimizer.name} has a memory`;
  throw new FederationError("argument/invalid", message);
}

function combined(like: Parameters, f: (x: number, tensor: number, element: number) => number): Parameters {
  return like.map(({ shape, data }, i) =>
    float32(
      shape,
      (data as Float32Array).map((x, element) => f(x, i, element)),
    ),
  );
}

function at(parameters: Parameters, tensor: number, element: number): number {
  return (parameters[tensor] as Tensor).data[element] as number;
}

function zerosLike(parameters: Parameters): Parameters {
  return parameters.map(({ shape }) => zeros("float32", shape));
}
