// .npy files: numpy's bytes, every order and type, and what is refused.
import { expect } from "chai";
import fc from "fast-check";
import { dtypes, elementSize, float32, sameTensor, tensorFromBytes } from "@perennial-fl/core";
import { decodeNpy, encodeNpy } from "../src/index.js";

const golden = Buffer.from(
  "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c2033292c207d" +
    "20".repeat(58) +
    "0a000000000000803f0000004000004040000080400000a040",
  "hex",
);

/** An .npy file of any header and elements. */
function file(header: string, elements: Uint8Array, version = 1): Buffer {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(header.length, 0, length.byteLength);
  return Buffer.concat([
    Buffer.from("\x93NUMPY", "latin1"),
    Buffer.from([version, 0]),
    length,
    Buffer.from(header),
    elements,
  ]);
}
const headerOf = (descr: string, shape: string, fortran = "False"): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

describe(".npy files", () => {
  it("are written as numpy writes them", () => {
    expect(Buffer.concat(encodeNpy(float32([2, 3], [0, 1, 2, 3, 4, 5]))).toString("hex")).to.equal(
      golden.toString("hex"),
    );
  });

  it("come back equal for every type and shape", () => {
    const shapes = fc.array(fc.nat(4), { maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...dtypes), shapes, fc.nat(7), (dtype, shape, shift) => {
        const count = shape.reduce((product, length) => product * length, 1) * elementSize(dtype);
        const tensor = tensorFromBytes(
          dtype,
          shape,
          Uint8Array.from({ length: count }, (_, i) => i % 2),
        );
        const npy = Buffer.concat([Buffer.alloc(shift), ...encodeNpy(tensor)]).subarray(shift);
        expect(npy.byteLength - count).to.satisfy((length: number) => length % 64 === 0);
        expect(sameTensor(decodeNpy(npy), tensor)).to.equal(true);
      }),
    );
  });

  it("are read in Fortran order, big-endian, of the later versions and without a last comma", () => {
    const columns = decodeNpy(file(headerOf("|u1", "(2, 3)", "True"), Uint8Array.of(0, 3, 1, 4, 2, 5)));
    expect([...columns.data]).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect([...decodeNpy(file(headerOf(">i2", "(2,)"), Uint8Array.of(0, 1, 1, 0))).data]).to.deep.equal([1, 256]);
    for (const version of [2, 3]) {
      const header = "{'shape': (), 'fortran_order': False, 'descr': '|b1'}";
      expect([...decodeNpy(file(header, Uint8Array.of(1), version)).data]).to.deep.equal([1]);
    }
  });

  it("are refused with the reason in words", () => {
    const one = Uint8Array.of(7);
    const cases: readonly (readonly [Buffer, string, RegExp])[] = [
      [file(headerOf("|O", "(1,)"), one), "wire/unsupported", /Python objects/],
      [file(headerOf("|V2", "(1,)"), one), "wire/unsupported", /bfloat16/],
      [
        file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", one),
        "wire/unsupported",
        /structured/,
      ],
      [file(headerOf("<c8", "(1,)"), one), "wire/unsupported", /"<c8"/],
      [file(headerOf("|u1", "(2,)"), one), "wire/malformed", /1 bytes of elements, and uint8\[2\] has 2/],
      [file(headerOf("<f8", "(1099511627776, 1099511627776)"), one), "wire/malformed", /has 9671406556917033397649408/],
      [file(headerOf("|u1", "(1)"), one), "wire/malformed", /header/],
      [file(headerOf("|u1", "(-1,)"), one), "wire/malformed", /header/],
      [file(headerOf("|u1", "(1,)", "__import__('os')"), one), "wire/malformed", /header/],
      [file("{'descr': '|u1', 'descr': '|u1', 'shape': (1,), }", one), "wire/malformed", /header/],
      [file(headerOf("|b1", "(1,)"), one), "wire/malformed", /bool of 7/],
      [file(headerOf("|u1", "(1,)") + " ".repeat(10_001), one), "wire/malformed", /at most 10000/],
      [file(headerOf("|u1", "(1,)"), one, 4), "wire/unsupported", /version 4\.0/],
      [golden.subarray(0, 100), "wire/malformed", /ends within/],
      [Buffer.from("PK\x03\x04 and so on"), "wire/malformed", /not an \.npy file/],
    ];
    for (const [npy, code, expected] of cases) {
      expect(() => decodeNpy(npy, "tensor 3"))
        .to.throw(expected)
        .with.property("code", code);
    }
  });
});
