"""One tensor of every numpy type and layout that the protocol carries."""

import numpy as np


def every_dtype():
    plain = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
    return [np.arange(6).reshape(2, 3).astype(t) for t in plain] + [
        np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3)),
        np.arange(24, dtype="f8").reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(3, dtype=">f4"),
        np.array([True, False]),
        np.array(2.5, dtype="f4"),
        np.zeros((0, 4), dtype="f4"),
    ]


def same_as_every_dtype(arrays):
    """For each of them whether it came back with its type, shape and elements; the byte order is free to change."""
    expected = every_dtype()
    if len(arrays) != len(expected):
        return [False]
    return [
        bool(a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=") and a.shape == b.shape and np.array_equal(a, b))
        for a, b in zip(arrays, expected)
    ]
