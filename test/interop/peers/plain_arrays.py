"""Tensors and their .npy files without numpy: flat lists of numbers, in C order and little-endian."""

import ast
import struct

MAGIC = b"\x93NUMPY"
FORMATS = {"<f4": "f", "<f8": "d", "|i1": "b", "<i2": "h", "<i4": "i", "<i8": "q", "|u1": "B", "<u4": "I", "<u8": "Q"}


class PlainArray:
    """As much of a numpy array as the tests' clients use."""

    def __init__(self, dtype, shape, values):
        self.dtype, self.shape, self.values = dtype, shape, values

    def __add__(self, amount):
        return PlainArray(self.dtype, self.shape, [value + amount for value in self.values])

    def __abs__(self):
        return PlainArray(self.dtype, self.shape, [abs(value) for value in self.values])

    def astype(self, dtype):
        return PlainArray(dtype, self.shape, self.values)

    def sum(self):
        return sum(self.values)


def zeros(shape, dtype):
    count = 1
    for length in shape:
        count *= length
    return PlainArray(f"<{dtype}", shape, [0] * count)


def to_npy(array):
    header = repr({"descr": array.dtype, "fortran_order": False, "shape": tuple(array.shape)})
    # The magic, two bytes of version and two of length precede it; elements begin at a multiple of 64.
    header = header.ljust((len(header) + 11 + 63) // 64 * 64 - 11) + "\n"
    elements = struct.pack(f"<{len(array.values)}{FORMATS[array.dtype]}", *array.values)
    return MAGIC + bytes((1, 0)) + struct.pack("<H", len(header)) + header.encode("latin1") + elements


def from_npy(content):
    if content[:8] != MAGIC + bytes((1, 0)):
        raise ValueError(f"no .npy file of version 1.0: it begins with {content[:8].hex()}")
    (length,) = struct.unpack_from("<H", content, 8)
    header = ast.literal_eval(content[10 : 10 + length].decode("latin1"))
    if header["fortran_order"]:
        raise ValueError("plain arrays are in C order")
    form = FORMATS[header["descr"]]
    values = [value for (value,) in struct.iter_unpack(f"<{form}", content[10 + length :])]
    return PlainArray(header["descr"], header["shape"], values)
