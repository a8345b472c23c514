// Writes protobuf's wire format as a list of pieces, so that large bytes are placed once and copied once.

/** A run of bytes that a message is made of. */
export type Pieces = readonly Uint8Array[];

export function lengthOfPieces(pieces: Pieces): number {
  return pieces.reduce((length, piece) => length + piece.byteLength, 0);
}

/** All pieces in one buffer. */
export function join(pieces: Pieces): Buffer {
  return Buffer.concat(pieces);
}

/** A varint field; `value` is taken modulo 2^64, as protobuf writes negative int64s. */
export function varintField(number: number, value: bigint): Pieces {
  return [tag(number, 0), varint(BigInt.asUintN(64, value))];
}

/** The zigzag form of a sint64. */
export function zigzag(value: bigint): bigint {
  return (value << 1n) ^ (value >> 63n);
}

export function doubleField(number: number, value: number): Pieces {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [tag(number, 1), bytes];
}

export function floatField(number: number, value: number): Pieces {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return [tag(number, 5), bytes];
}

/** A field of bytes, or of a message whose pieces these are. */
export function bytesField(number: number, pieces: Pieces): Pieces {
  return [tag(number, 2), varint(BigInt(lengthOfPieces(pieces))), ...pieces];
}

export function textField(number: number, text: string): Pieces {
  return bytesField(number, [Buffer.from(text, "utf8")]);
}

function tag(number: number, wireType: number): Uint8Array {
  return varint(BigInt((number << 3) | wireType));
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) {
      bytes.push(Number(rest));
      return Uint8Array.from(bytes);
    }
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}
