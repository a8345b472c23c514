// Received updates: what flows into a sink comes back, whatever its byte order and element order.
import { expect } from "chai";
import { bytesOf, float32, memorySink, pour, tensor, tensorFromSpan } from "../src/index.js";
import type { TensorSpan } from "../src/index.js";

describe("an update in memory", () => {
  it("comes back tensor by tensor from the sink it was poured into", async () => {
    const parameters = [float32([2, 2], [1, 2, 3, 4]), tensor("int64", [1], BigInt64Array.of(-5n)), float32([0], [])];
    const stored = await pour(parameters, memorySink());
    expect(stored.tensors.map(({ shape }) => shape)).to.deep.equal([[2, 2], [1], [0]]);
    expect(parameters.map((_, index) => stored.read(index))).to.deep.equal(parameters);
  });

  it("carries where it is not finite", async () => {
    const stored = await pour([float32([2], [0, NaN])], memorySink());
    expect(stored.tensors[0]?.firstNonFinite).to.equal(1);
  });
});

describe("a span", () => {
  const span = (extra: Partial<TensorSpan>): TensorSpan => ({
    dtype: "float32",
    shape: [2, 3],
    offset: 0,
    byteLength: 24,
    ...extra,
  });

  it("in Fortran order is brought into row-major order", () => {
    // The rows 1 2 3 and 4 5 6, stored column by column.
    const columns = bytesOf(float32([6], [1, 4, 2, 5, 3, 6]));
    expect(tensorFromSpan(span({ fortranOrder: true }), columns)).to.deep.equal(float32([2, 3], [1, 2, 3, 4, 5, 6]));
  });

  it("in Fortran order of three axes too", () => {
    const shape = [2, 3, 4];
    const at = (i: number, j: number, k: number) => 100 * i + 10 * j + k;
    const rows: number[] = [];
    const columns: number[] = [];
    for (let i = 0; i < 2; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) rows.push(at(i, j, k));
    for (let k = 0; k < 4; k++) for (let j = 0; j < 3; j++) for (let i = 0; i < 2; i++) columns.push(at(i, j, k));
    const bytes = bytesOf(float32([24], columns));
    expect(tensorFromSpan({ ...span({ fortranOrder: true }), shape, byteLength: 96 }, bytes)).to.deep.equal(
      float32(shape, rows),
    );
  });

  it("in big-endian order is brought into this machine's", () => {
    const bytes = new Uint8Array(24);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < 6; i++) view.setFloat32(4 * i, i + 0.5, false);
    expect(tensorFromSpan(span({ bigEndian: true }), bytes).data).to.deep.equal(
      Float32Array.of(0.5, 1.5, 2.5, 3.5, 4.5, 5.5),
    );
  });

  it("is refused when its bytes are not all there", () => {
    expect(() => tensorFromSpan(span({}), new Uint8Array(20))).to.throw("has 20 of 24 bytes");
  });
});
