"""Makes tests/data/dataset: tiny data files as NumPy and MNIST have them, and
bad_*.npz that must be refused.

    python3 tests/peers/make_dataset_fixtures.py tests/data/dataset

Made with Python 3.11, numpy 2.4.6. Pixels count upwards from 0.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import gzip
import io
import os
import struct
import sys
import zipfile

import numpy as np

OUT = sys.argv[1]


def count(dtype, *shape):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def path(name):
    return os.path.join(OUT, name)


def bad(name, x=count("f4", 5, 4), y=np.arange(5), save=np.savez, **more):
    save(path(f"bad_{name}.npz"), x=x, y=y, **more)


def rewrite(name, source, change):
    data = bytearray(open(path(source), "rb").read())
    open(path(f"bad_{name}.npz"), "wb").write(change(data))


def lie():
    """The header of x claims nine images more than there are."""
    member = io.BytesIO()
    np.save(member, count("f4", 5, 4))
    with zipfile.ZipFile(path("bad_shape.npz"), "w") as archive:
        for name, data in (("x", member.getvalue().replace(b"(5, 4)",
                                                           b"(14,4)")),
                           ("y", b"")):
            archive.writestr(zipfile.ZipInfo(name + ".npy"), data)


def flip(data):
    data[data.index(b"NUMPY") + 160] ^= 1
    return data


def huge(data):
    """Both directories claim 2^31 bytes for the deflated x."""
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(magic) + offset
        data[at:at + 4] = struct.pack("<I", 2**31)
    return data


os.makedirs(OUT, exist_ok=True)
np.savez_compressed(path("f32.npz"), x=count("f4", 5, 3, 2, 2),
                    y=np.array([4, 3, 2, 1, 0]))
np.savez(path("u8.npz"), x=count("u1", 6, 2, 2), y=np.arange(6, dtype="u1"))
np.savez(path("f64.npz"), x=count("f8", 4, 3) / 8, y=np.arange(4, dtype="i4"))
np.savez(path("i16.npz"), x=count("i2", 3, 2) - 3,
         y=np.array([[1], [0], [1]], "i1"))
np.savez_compressed(path("targets.npz"), x=count("f4", 4, 4),
                    y=count("f4", 4, 3) / 2)

bad("big_endian", x=count(">f4", 5, 4))
bad("fortran", x=np.asfortranarray(count("f4", 5, 4)))
bad("object", x=np.array([None] * 5))
bad("scalar", x=np.float32(1))
bad("count", y=np.arange(4))
bad("nan", x=np.array([[0, 1], [2, 3], [4, np.nan], [6, 7], [8, 9]], "f4"))
bad("empty", x=count("f4", 0, 4), y=np.arange(0))
np.savez(path("bad_no_y.npz"), x=count("f4", 5, 4))
np.savez(path("wide_labels.npz"), x=count("f4", 5, 4), y=count("i8", 5, 2))
np.savez(path("plain.npz"), x=count("f4", 5, 4), y=np.arange(5))
np.savez_compressed(path("packed.npz"), x=count("f4", 5, 4), y=np.arange(5))
lie()
rewrite("flipped", "plain.npz", flip)
rewrite("huge", "packed.npz", huge)
rewrite("truncated", "plain.npz", lambda data: data[:len(data) // 2])
rewrite("text", "plain.npz", lambda data: b"x,y\n1,2\n")

images, labels = count("u1", 7, 3, 4), np.arange(7, dtype="u1") % 3
for name, head, body in (
        ("images-idx3", struct.pack(">4I", 0x803, 7, 3, 4), images),
        ("labels-idx1", struct.pack(">2I", 0x801, 7), labels)):
    data = head + body.tobytes()
    open(path(f"tiny-{name}-ubyte"), "wb").write(data)
    open(path(f"zipped-{name}-ubyte.gz"), "wb").write(
        gzip.compress(data, mtime=0))
    open(path(f"cut-{name}-ubyte.gz"), "wb").write(
        gzip.compress(data, mtime=0)[:-20])
