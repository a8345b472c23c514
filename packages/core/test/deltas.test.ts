// Updates as differences: what arrives, what is remembered of the rounding, and what is refused.
import { expect } from "chai";
import fc from "fast-check";
import { bytesOf, decodeDelta, deltaPrecisions, encodeDelta, float32, memoryResult, tensor } from "../src/index.js";
import type { DeltaPrecision, Parameters, StoredResult } from "../src/index.js";

const values = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 6, maxLength: 6 });
const model = (numbers: readonly number[]): Parameters => [
  float32([2, 2], numbers.slice(0, 4)),
  tensor("int64", [1], BigInt64Array.of(7n)),
  float32([2], numbers.slice(4)),
];

function arrived(tensors: Parameters, base: Parameters, precision: DeltaPrecision): Parameters {
  const result = decodeDelta(memoryResult(tensors), base, precision);
  if ("objection" in result) throw new Error(result.objection);
  return result.tensors.map((_, index) => result.read(index));
}

const objection = (update: StoredResult | { objection: string }): string =>
  "objection" in update ? update.objection : "none";

for (const precision of deltaPrecisions) {
  describe(`an update as ${precision} differences`, () => {
    it("arrives within the rounding of its precision, and what was lost is remembered to the bit", () => {
      fc.assert(
        fc.property(values, values, (from, to) => {
          const [base, update] = [model(from), model(to)];
          const { tensors, residuals } = encodeDelta(update, base, [], precision);
          const found = arrived(tensors, base, precision);
          for (const index of [0, 2]) {
            const wanted = update[index]!.data as Float32Array;
            const deltas = Array.from(wanted, (x, i) => Math.abs(x - Number(base[index]!.data[i])));
            const step = precision === "int8" ? Math.max(...deltas) / 127 : Math.max(...deltas) / 1024;
            for (const [i, x] of wanted.entries()) {
              const got = Number(found[index]!.data[i]);
              expect(Math.abs(got - x)).to.be.at.most(step / 2 + 1e-4);
              expect(residuals[index]![i]).to.equal(Math.fround(x - got));
            }
          }
          expect(found[1]).to.deep.equal(update[1]);
          expect(residuals[1]).to.equal(undefined);
        }),
      );
    });

    it("catches up in the next rounds with what the first could not say", () => {
      const base = [float32([2], [0, 0])];
      const update = [float32([2], [1, 0.001])];
      let residuals = encodeDelta(update, base, [], precision).residuals;
      let sum = Number(arrived(encodeDelta(update, base, [], precision).tensors, base, precision)[0]!.data[1]);
      for (let round = 2; round <= 50; round++) {
        const next = encodeDelta(update, base, residuals, precision);
        sum += Number(arrived(next.tensors, base, precision)[0]!.data[1]);
        residuals = next.residuals;
      }
      expect(sum).to.be.closeTo(50 * 0.001, 0.005);
    });

    it("has a part of the bytes", () => {
      const whole = [float32([1000], new Float32Array(1000).fill(0.5))];
      const { tensors } = encodeDelta(whole, [float32([1000], new Float32Array(1000))], [], precision);
      const bytes = tensors.reduce((count, each) => count + bytesOf(each).byteLength, 0);
      expect(bytes).to.equal(precision === "int8" ? 1004 : 2000);
    });

    it("bounds what its numbers cannot hold, and sends the rest later", () => {
      const base = [float32([1], [0])];
      const { tensors, residuals } = encodeDelta([float32([1], [1e6])], base, [], precision);
      const got = Number(arrived(tensors, base, precision)[0]!.data[0]);
      expect(got + residuals[0]![0]!).to.be.closeTo(1e6, 1);
    });

    it("is refused by its tensor when it is not one", () => {
      const base = model([1, 2, 3, 4, 5, 6]);
      const { tensors } = encodeDelta(base, base, [], precision);
      const name = precision === "int8" ? "int8" : "float16";
      expect(objection(decodeDelta(memoryResult(tensors.slice(1)), base, precision))).to.match(
        /has \d tensors, and \d are wanted/,
      );
      const whole = [base[0]!, ...tensors.slice(1)];
      expect(objection(decodeDelta(memoryResult(whole), base, precision))).to.equal(
        `tensor 0 of the ${precision} difference is float32[2, 2], and ${name}[2, 2] is wanted`,
      );
      const odd =
        precision === "int8"
          ? [...tensors.slice(0, 3), float32([3], [NaN, 0, 0])]
          : [tensor("float16", [2, 2], Uint16Array.of(0, 0x7e00, 0, 0)), ...tensors.slice(1)];
      expect(objection(decodeDelta(memoryResult(odd), base, precision))).to.match(/not finite at element [01]/);
    });
  });
}
