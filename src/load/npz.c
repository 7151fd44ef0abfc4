/* npz.c -- NumPy archives: a zip file (stored or deflated) of .npy members.
 *
 * A member (NumPy Enhancement Proposal 1, "A Simple File Format for NumPy
 * Arrays"): "\x93NUMPY", version (2 bytes), length of the header (2 bytes,
 * from version 2 on 4), the header, a Python dictionary such as
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (1000, 1, 49, 10), }
 * and the numbers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/file.h"
#include "src/load/images.h"

#include <zip.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADER = 1 << 16 };

typedef struct npy {
    hawq_number    type;
    hawq_shape     shape;
    size_t         n; /* numbers */
    const uint8_t *bytes;
} npy;

/* --- the header -------------------------------------------------------- */

/* NumPy's names of types; '<' little-endian, '|' of one byte. */
static bool number_type(const char *descr, hawq_number *type) {
    static const struct {
        const char *descr;
        hawq_number number;
    } known[] = {
        {"|u1", HAWQ_U8},  {"|i1", HAWQ_I8},  {"|b1", HAWQ_BOOL},
        {"<u2", HAWQ_U16}, {"<i2", HAWQ_I16}, {"<u4", HAWQ_U32},
        {"<i4", HAWQ_I32}, {"<u8", HAWQ_I64}, {"<i8", HAWQ_I64},
        {"<f2", HAWQ_F16}, {"<f4", HAWQ_F32}, {"<f8", HAWQ_F64},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].descr, descr) == 0) {
            *type = known[i].number;
            return true;
        }
    return false;
}

/* What follows 'key': in the dictionary, or NULL. */
static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (!at) return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    if (*at != ':') return NULL;
    at++;
    return at + strspn(at, " ");
}

static hawq_status bad_header(const char *what) {
    return hawq_fail(HAWQ_EFORMAT, "has no readable %s in its header", what);
}

static hawq_status parse_shape(const char *at, npy *out) {
    int64_t dim[HAWQ_MAX_RANK + 1];
    size_t  n = 0;
    if (!at || *at++ != '(') return bad_header("shape");
    for (at += strspn(at, " "); *at != ')'; at += strspn(at, " ,L")) {
        char *end;
        errno = 0;
        if (!isdigit((unsigned char)*at)) return bad_header("shape");
        long long value = strtoll(at, &end, 10);
        if (errno || n > HAWQ_MAX_RANK) return bad_header("shape");
        dim[n++] = value;
        at = end;
    }
    return hawq_shape_read(dim, n, &out->shape, &out->n);
}

static hawq_status parse_header(const char *header, npy *out) {
    char        type[8] = "";
    const char *descr = value_of(header, "'descr'");
    const char *order = value_of(header, "'fortran_order'");
    if (!descr || *descr != '\'') return bad_header("type");
    size_t n = strcspn(++descr, "'");
    if (n < sizeof type) memcpy(type, descr, n);
    if (!number_type(type, &out->type))
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "holds numbers of type '%.*s'; little-endian integers "
                         "and floating point are read",
                         (int)(n < 32 ? n : 32), descr);
    HAWQ_TRY(parse_shape(value_of(header, "'shape'"), out));
    if (!order) return bad_header("fortran_order");
    if (strncmp(order, "True", 4) == 0 && out->shape.rank > 1)
        return hawq_fail(HAWQ_EUNSUPPORTED, "is in Fortran order; save it with "
                                            "numpy.ascontiguousarray");
    return HAWQ_OK;
}

/* --- the member -------------------------------------------------------- */

/* Splits the member's bytes. `bytes` has a zero after its n. */
static hawq_status parse_member(const uint8_t *bytes, size_t n,
                                hawq_arena *arena, npy *out) {
    if (n < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return hawq_fail(HAWQ_EFORMAT, "is not a NumPy array");
    size_t start = bytes[6] == 1 ? 10 : 12;
    size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > MOST_HEADER || length > n - start)
        return hawq_fail(HAWQ_EFORMAT,
                         "has a header of %zu bytes, too long or truncated",
                         length);
    char *header =
        hawq_arena_string_n(arena, (const char *)bytes + start, length);
    if (!header) return HAWQ_ENOMEM;
    HAWQ_TRY(parse_header(header, out));
    size_t need = out->n * hawq_number_bytes(out->type);
    if (n - start - length != need)
        return hawq_fail(
            HAWQ_EFORMAT,
            "is truncated or too long: found %zu bytes of numbers, "
            "expected %zu",
            n - start - length, need);
    out->bytes = bytes + start + length;
    return HAWQ_OK;
}

static hawq_status inflate_member(zip_t *zip, zip_uint64_t index, size_t n,
                                  hawq_arena *arena, uint8_t **bytes) {
    HAWQ_TAKE(*bytes, arena, n);
    zip_file_t *file = zip_fopen_index(zip, index, 0);
    if (!file)
        return hawq_fail(HAWQ_EFORMAT, "cannot be decompressed: %s",
                         zip_strerror(zip));
    uint8_t more; /* the end must be reached: only there is the sum checked */
    zip_int64_t got = zip_fread(file, *bytes, n);
    zip_int64_t end = got < 0 ? got : zip_fread(file, &more, 1);
    hawq_status status = HAWQ_OK;
    if (end < 0)
        status = hawq_fail(HAWQ_EFORMAT, "cannot be decompressed: %s",
                           zip_file_strerror(file));
    else if ((size_t)got != n || end != 0)
        status = hawq_fail(HAWQ_EFORMAT,
                           "is truncated: found %zu bytes, expected %zu",
                           (size_t)(got + end), n);
    zip_fclose(file);
    return status;
}

static hawq_status read_member(zip_t *zip, uint64_t packed, const char *name,
                               hawq_arena *arena, npy *out) {
    zip_stat_t  info;
    uint8_t    *bytes = NULL;
    zip_int64_t index = zip_name_locate(zip, name, 0);
    if (index < 0)
        return hawq_fail(HAWQ_EFORMAT, "is not in the archive; expected "
                                       "numpy.savez(..., x=images, y=labels)");
    if (zip_stat_index(zip, (zip_uint64_t)index, 0, &info) != 0 ||
        !(info.valid & ZIP_STAT_SIZE))
        return hawq_fail(HAWQ_EFORMAT, "is damaged");
    if (!hawq_can_inflate(packed, info.size))
        return hawq_fail(
            HAWQ_EFORMAT, "claims %llu bytes in an archive of %llu",
            (unsigned long long)info.size, (unsigned long long)packed);
    HAWQ_TRY(inflate_member(zip, (zip_uint64_t)index, (size_t)info.size, arena,
                            &bytes));
    return parse_member(bytes, (size_t)info.size, arena, out);
}

/* --- x and y ----------------------------------------------------------- */

/* y: integers are labels; floating numbers are targets. How many an image needs
 * only a network can tell. */
static hawq_status set_targets(const npy *y, hawq_arena *arena,
                               hawq_images *out) {
    size_t   rows = y->shape.rank ? (size_t)y->shape.dim[0] : 1;
    real    *targets;
    int64_t *labels;
    if (rows != out->n)
        return hawq_fail(HAWQ_EFORMAT, "x has %zu images, y has %zu rows",
                         out->n, rows);
    for (int i = 1; i < y->shape.rank; i++)
        out->y.dim[out->y.rank++] = y->shape.dim[i];
    if (hawq_number_dtype(y->type) == HAWQ_FLOAT) {
        HAWQ_TAKE(targets, arena, y->n);
        hawq_numbers_read(y->type, y->bytes, y->n, targets);
        out->targets = targets;
        return HAWQ_OK;
    }
    HAWQ_TAKE(labels, arena, y->n);
    hawq_numbers_read(y->type, y->bytes, y->n, labels);
    out->labels = labels;
    return HAWQ_OK;
}

static hawq_status read_members(zip_t *zip, uint64_t packed,
                                hawq_labelling want, hawq_arena *arena,
                                hawq_images *out) {
    npy  x = {0}, y = {0};
    bool has_y =
        want == HAWQ_LABELS_NEEDED ||
        (want == HAWQ_LABELS_OPTIONAL && zip_name_locate(zip, "y.npy", 0) >= 0);
    if (read_member(zip, packed, "x.npy", arena, &x) != HAWQ_OK)
        return hawq_prefix("x ");
    if (has_y && read_member(zip, packed, "y.npy", arena, &y) != HAWQ_OK)
        return hawq_prefix("y ");
    if (x.shape.rank < 1)
        return hawq_fail(HAWQ_EFORMAT,
                         "x is a scalar, expected images along its first "
                         "dimension");
    *out = (hawq_images){
        .n = (size_t)x.shape.dim[0], .type = x.type, .bytes = x.bytes};
    out->item.rank = x.shape.rank - 1;
    for (int i = 0; i < out->item.rank; i++)
        out->item.dim[i] = x.shape.dim[i + 1];
    out->stride = hawq_number_bytes(x.type) *
                  (size_t)hawq_shape_count(&out->item, 0, out->item.rank);
    return has_y ? set_targets(&y, arena, out) : HAWQ_OK;
}

hawq_status hawq_npz_read(const char *path, hawq_labelling want,
                          hawq_arena *arena, hawq_images *out) {
    uint64_t size = 0;
    int      code = 0;
    HAWQ_TRY(hawq_file_size(path, &size));
    if (size == 0) return hawq_fail(HAWQ_EFORMAT, "is empty");
    zip_t *zip = zip_open(path, ZIP_RDONLY, &code);
    if (!zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        hawq_status status =
            hawq_fail(HAWQ_EFORMAT, "is not an .npz archive, or is damaged: %s",
                      zip_error_strerror(&error));
        zip_error_fini(&error);
        return status;
    }
    hawq_status status = read_members(zip, size, want, arena, out);
    zip_discard(zip);
    return status;
}

const char *hawq_npz_libzip_version(void) {
    return zip_libzip_version();
}
