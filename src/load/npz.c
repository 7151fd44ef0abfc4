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
    size_t         n;    /* numbers, of the rows that were read */
    size_t         rows; /* all that the file has */
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

/* A member that is being decompressed. */
typedef struct member {
    zip_file_t *file;
    size_t      left; /* bytes that it still claims to have */
} member;

static hawq_status read_bytes(member *m, void *bytes, size_t n) {
    zip_int64_t got = zip_fread(m->file, bytes, n);
    if (got < 0)
        return hawq_fail(HAWQ_EFORMAT, "cannot be decompressed: %s",
                         zip_file_strerror(m->file));
    if ((size_t)got != n)
        return hawq_fail(HAWQ_EFORMAT,
                         "is truncated: found %zu bytes, expected %zu more",
                         (size_t)got, n);
    m->left -= n;
    return HAWQ_OK;
}

/* Only at the very end is the sum checked. */
static hawq_status check_end(member *m) {
    uint8_t     more;
    zip_int64_t end = zip_fread(m->file, &more, 1);
    if (end < 0)
        return hawq_fail(HAWQ_EFORMAT, "cannot be decompressed: %s",
                         zip_file_strerror(m->file));
    if (end > 0)
        return hawq_fail(HAWQ_EFORMAT, "is longer than the archive says");
    return HAWQ_OK;
}

static hawq_status read_header(member *m, hawq_arena *arena, npy *out) {
    uint8_t start[12];
    if (m->left < sizeof start)
        return hawq_fail(HAWQ_EFORMAT, "is not a NumPy array");
    HAWQ_TRY(read_bytes(m, start, 10));
    if (memcmp(start, "\x93NUMPY", 6) != 0)
        return hawq_fail(HAWQ_EFORMAT, "is not a NumPy array");
    size_t length = (size_t)start[8] | (size_t)start[9] << 8;
    if (start[6] > 1) {
        HAWQ_TRY(read_bytes(m, start + 10, 2));
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (length > MOST_HEADER || length > m->left)
        return hawq_fail(HAWQ_EFORMAT,
                         "has a header of %zu bytes, too long or truncated",
                         length);
    char *header;
    HAWQ_TAKE(header, arena, length + 1);
    HAWQ_TRY(read_bytes(m, header, length));
    return parse_header(header, out);
}

/* The numbers of the first `most` rows; 0: of all. */
static hawq_status read_numbers(member *m, size_t most, hawq_arena *arena,
                                npy *out) {
    size_t   need = out->n * hawq_number_bytes(out->type);
    uint8_t *bytes;
    if (m->left != need)
        return hawq_fail(
            HAWQ_EFORMAT,
            "is truncated or too long: found %zu bytes of numbers, "
            "expected %zu",
            m->left, need);
    out->rows = out->shape.rank ? (size_t)out->shape.dim[0] : 1;
    bool part = most && most < out->rows;
    if (part) {
        need = need / out->rows * most;
        out->n = out->n / out->rows * most;
        out->shape.dim[0] = (int64_t)most;
    }
    HAWQ_TAKE(bytes, arena, need);
    HAWQ_TRY(read_bytes(m, bytes, need));
    out->bytes = bytes;
    return part ? HAWQ_OK : check_end(m);
}

static hawq_status read_member(zip_t *zip, uint64_t packed, const char *name,
                               size_t most, hawq_arena *arena, npy *out) {
    zip_stat_t  info;
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
    member m = {zip_fopen_index(zip, (zip_uint64_t)index, 0),
                (size_t)info.size};
    if (!m.file)
        return hawq_fail(HAWQ_EFORMAT, "cannot be decompressed: %s",
                         zip_strerror(zip));
    hawq_status status = read_header(&m, arena, out);
    if (status == HAWQ_OK) status = read_numbers(&m, most, arena, out);
    zip_fclose(m.file);
    return status;
}

/* --- x and y ----------------------------------------------------------- */

/* y: integers are labels; floating numbers are targets. How many an image needs
 * only a network can tell. */
static hawq_status set_targets(const npy *x, const npy *y, hawq_arena *arena,
                               hawq_images *out) {
    real    *targets;
    int64_t *labels;
    if (y->rows != x->rows)
        return hawq_fail(HAWQ_EFORMAT, "x has %zu images, y has %zu rows",
                         x->rows, y->rows);
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
                                hawq_labelling want, size_t most,
                                hawq_arena *arena, hawq_images *out) {
    npy  x = {0}, y = {0};
    bool has_y =
        want == HAWQ_LABELS_NEEDED ||
        (want == HAWQ_LABELS_OPTIONAL && zip_name_locate(zip, "y.npy", 0) >= 0);
    if (read_member(zip, packed, "x.npy", most, arena, &x) != HAWQ_OK)
        return hawq_prefix("x ");
    if (has_y && read_member(zip, packed, "y.npy", most, arena, &y) != HAWQ_OK)
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
    return has_y ? set_targets(&x, &y, arena, out) : HAWQ_OK;
}

hawq_status hawq_npz_read(const char *path, hawq_labelling want, size_t most,
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
    hawq_status status = read_members(zip, size, want, most, arena, out);
    zip_discard(zip);
    return status;
}

const char *hawq_npz_libzip_version(void) {
    return zip_libzip_version();
}
