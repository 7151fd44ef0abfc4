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

enum { MOST_HEADER = 1 << 16, SMALL = 1 << 20 };

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

static hawq_status parse_shape(const char *at, hawq_array *out) {
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

static hawq_status parse_header(const char *header, hawq_array *out) {
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

/* An array that is being read: a member that is being decompressed, or a file
 * that was. */
typedef struct member {
    zip_file_t    *file;
    const uint8_t *bytes; /* where there is no `file` */
    size_t         left;  /* bytes that it still claims to have */
} member;

static hawq_status read_bytes(member *m, void *bytes, size_t n) {
    if (!m->file) { /* the caller has looked at `left` */
        memcpy(bytes, m->bytes, n);
        m->bytes += n;
        m->left -= n;
        return HAWQ_OK;
    }
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
    uint8_t more;
    if (!m->file) return HAWQ_OK;
    zip_int64_t end = zip_fread(m->file, &more, 1);
    if (end < 0)
        return hawq_fail(HAWQ_EFORMAT, "cannot be decompressed: %s",
                         zip_file_strerror(m->file));
    if (end > 0)
        return hawq_fail(HAWQ_EFORMAT, "is longer than the archive says");
    return HAWQ_OK;
}

static hawq_status read_header(member *m, hawq_arena *arena, hawq_array *out) {
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
                                hawq_array *out) {
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

/* header_only: shape and type. */
static hawq_status read_index(zip_t *zip, uint64_t packed, zip_uint64_t index,
                              size_t most, bool header_only, hawq_arena *arena,
                              hawq_array *out) {
    zip_stat_t info;
    if (zip_stat_index(zip, index, 0, &info) != 0 ||
        !(info.valid & ZIP_STAT_SIZE))
        return hawq_fail(HAWQ_EFORMAT, "is damaged");
    if (!hawq_can_inflate(packed, info.size))
        return hawq_fail(
            HAWQ_EFORMAT, "claims %llu bytes in an archive of %llu",
            (unsigned long long)info.size, (unsigned long long)packed);
    member m = {.file = zip_fopen_index(zip, index, 0),
                .left = (size_t)info.size};
    if (!m.file)
        return hawq_fail(HAWQ_EFORMAT, "cannot be decompressed: %s",
                         zip_strerror(zip));
    hawq_status status = read_header(&m, arena, out);
    if (status == HAWQ_OK && !header_only)
        status = read_numbers(&m, most, arena, out);
    zip_fclose(m.file);
    return status;
}

/* The member `name`.npy; the sentence of a failure begins with its name. */
static hawq_status read_member(zip_t *zip, uint64_t packed, const char *name,
                               size_t most, hawq_arena *arena,
                               hawq_array *out) {
    const char *full = hawq_arena_format(arena, "%s.npy", name);
    if (!full) return HAWQ_ENOMEM;
    zip_int64_t index = zip_name_locate(zip, full, 0);
    if (index < 0)
        return hawq_fail(HAWQ_EFORMAT,
                         "%s is not in the archive; expected "
                         "numpy.savez(..., x=images, y=labels)",
                         name);
    hawq_status status =
        read_index(zip, packed, (zip_uint64_t)index, most, false, arena, out);
    return status == HAWQ_OK ? status : hawq_prefix("%s ", name);
}

/* --- the inputs and y --------------------------------------------------- */

/* y: integers are labels; floating numbers are targets. How many an image needs
 * only a network can tell. */
static hawq_status set_targets(const char *x, const hawq_array *y,
                               hawq_arena *arena, hawq_images *out) {
    real    *targets;
    int64_t *labels;
    if (y->rows != out->n)
        return hawq_fail(HAWQ_EFORMAT, "%s has %zu images, y has %zu rows", x,
                         out->n, y->rows);
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

static bool has(zip_t *zip, hawq_arena *arena, const char *name) {
    const char *full = hawq_arena_format(arena, "%s.npy", name);
    return full && zip_name_locate(zip, full, 0) >= 0;
}

/* The name of input k's member: its own, or x for the only one that has none.
 * EFORMAT where several have none. */
static hawq_status find_name(zip_t *zip, const hawq_graph *g, int k,
                             hawq_arena *arena, const char **out) {
    *out = g->inputs[k].tensor->name;
    if (has(zip, arena, *out)) return HAWQ_OK;
    for (int i = 0; i < g->n_inputs; i++)
        if (i != k && !has(zip, arena, g->inputs[i].tensor->name))
            return hawq_fail(HAWQ_EFORMAT,
                             "has no members '%s' and '%s', the names of the "
                             "network's inputs; expected one for each, or "
                             "values that are the same for all images, as "
                             "--input NAME=VALUE",
                             g->inputs[k < i ? k : i].tensor->name,
                             g->inputs[k < i ? i : k].tensor->name);
    *out = "x";
    return HAWQ_OK;
}

/* Images along `axis`. */
static hawq_status check_images(const char *name, const hawq_array *a,
                                int axis) {
    if (a->shape.rank > axis) return HAWQ_OK;
    return hawq_fail(HAWQ_EFORMAT,
                     "%s %s, expected images along its %s dimension", name,
                     a->shape.rank ? "has too few dimensions" : "is a scalar",
                     axis == 0   ? "first"
                     : axis == 1 ? "second"
                                 : "third or a later");
}

static size_t images_of(const hawq_array *a, int axis) {
    return axis == 0 ? a->rows : (size_t)a->shape.dim[axis];
}

static hawq_status read_more(zip_t *zip, uint64_t packed, const hawq_graph *g,
                             const char *first, size_t n_first, size_t most,
                             hawq_arena *arena, hawq_images *out) {
    out->n_more = (size_t)g->n_inputs - 1;
    HAWQ_TAKE(out->more, arena, out->n_more);
    for (int k = 1; k < g->n_inputs; k++) {
        const char *name = "";
        int         axis = g->inputs[k].axis;
        hawq_array *a = &out->more[k - 1];
        HAWQ_TRY(find_name(zip, g, k, arena, &name));
        HAWQ_TRY(read_member(zip, packed, name, axis ? 0 : most, arena, a));
        HAWQ_TRY(check_images(name, a, axis));
        if (images_of(a, axis) != n_first)
            return hawq_fail(HAWQ_EFORMAT, "%s has %zu images, %s has %zu",
                             first, n_first, name, images_of(a, axis));
    }
    return HAWQ_OK;
}

static hawq_status read_members(zip_t *zip, uint64_t packed,
                                hawq_labelling want, size_t most,
                                const hawq_graph *g, hawq_arena *arena,
                                hawq_images *out) {
    hawq_array  x = {0}, y = {0};
    const char *name = "x";
    int         axis = g ? g->inputs[0].axis : 0;
    bool        has_y = want == HAWQ_LABELS_NEEDED ||
                 (want == HAWQ_LABELS_OPTIONAL && has(zip, arena, "y"));
    if (g) HAWQ_TRY(find_name(zip, g, 0, arena, &name));
    HAWQ_TRY(read_member(zip, packed, name, axis ? 0 : most, arena, &x));
    if (has_y) HAWQ_TRY(read_member(zip, packed, "y", most, arena, &y));
    HAWQ_TRY(check_images(name, &x, axis));
    *out = (hawq_images){
        .n = images_of(&x, axis), .type = x.type, .bytes = x.bytes};
    for (int i = 0; i < x.shape.rank; i++)
        if (i != axis) out->item.dim[out->item.rank++] = x.shape.dim[i];
    out->stride = hawq_number_bytes(x.type) *
                  (size_t)hawq_shape_count(&out->item, 0, out->item.rank);
    if (has_y) HAWQ_TRY(set_targets(name, &y, arena, out));
    return g ? read_more(zip, packed, g, name, out->n, most, arena, out)
             : HAWQ_OK;
}

static hawq_status open_zip(const char *path, zip_t **zip, uint64_t *size) {
    int code = 0;
    HAWQ_TRY(hawq_file_size(path, size));
    if (*size == 0) return hawq_fail(HAWQ_EFORMAT, "is empty");
    *zip = zip_open(path, ZIP_RDONLY, &code);
    if (*zip) return HAWQ_OK;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    hawq_status status =
        hawq_fail(HAWQ_EFORMAT, "is not an .npz archive, or is damaged: %s",
                  zip_error_strerror(&error));
    zip_error_fini(&error);
    return status;
}

hawq_status hawq_npz_read(const char *path, hawq_labelling want, size_t most,
                          const hawq_graph *graph, hawq_arena *arena,
                          hawq_images *out) {
    uint64_t size = 0;
    zip_t   *zip = NULL;
    HAWQ_TRY(open_zip(path, &zip, &size));
    hawq_status status = read_members(zip, size, want, most, graph, arena, out);
    zip_discard(zip);
    return status;
}

/* --- all of them ---------------------------------------------------------- */

hawq_status hawq_array_value(const hawq_array *a, hawq_arena *arena,
                             hawq_member *out) {
    hawq_tensor *t;
    HAWQ_TAKE(t, arena, 1);
    *t = (hawq_tensor){.name = out->name,
                       .role = HAWQ_CONSTANT,
                       .dtype = hawq_number_dtype(a->type),
                       .shape = a->shape,
                       .n = a->n};
    if (t->dtype == HAWQ_INT)
        HAWQ_TAKE(t->ints, arena, t->n);
    else
        HAWQ_TAKE(t->data, arena, t->n);
    hawq_numbers_read(a->type, a->bytes, a->n,
                      t->ints ? (void *)t->ints : (void *)t->data);
    out->value = t;
    return HAWQ_OK;
}

static hawq_status list_members(zip_t *zip, uint64_t packed, hawq_arena *arena,
                                const hawq_member **out, size_t *n) {
    hawq_member *all;
    zip_int64_t  count = zip_get_num_entries(zip, 0);
    size_t       found = 0;
    HAWQ_TAKE(all, arena, count > 0 ? (size_t)count : 0);
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);
        size_t      length = name ? strlen(name) : 0;
        hawq_array  a = {0};
        if (length < 5 || strcmp(name + length - 4, ".npy") != 0) continue;
        hawq_status status =
            read_index(zip, packed, (zip_uint64_t)i, 0, true, arena, &a);
        if (status == HAWQ_ENOMEM) return status;
        if (status != HAWQ_OK) continue;
        hawq_member *m = &all[found];
        *m = (hawq_member){hawq_arena_string_n(arena, name, length - 4),
                           a.shape, hawq_number_dtype(a.type), NULL};
        if (!m->name) return HAWQ_ENOMEM;
        if (a.n * hawq_number_bytes(a.type) <= SMALL && strcmp(m->name, "y")) {
            status =
                read_index(zip, packed, (zip_uint64_t)i, 0, false, arena, &a);
            if (status == HAWQ_OK) status = hawq_array_value(&a, arena, m);
            if (status == HAWQ_ENOMEM) return status;
            if (status != HAWQ_OK) continue;
        }
        found++;
    }
    *out = all;
    *n = found;
    return HAWQ_OK;
}

hawq_status hawq_npz_list(const char *path, hawq_arena *arena,
                          const hawq_member **out, size_t *n) {
    uint64_t size = 0;
    zip_t   *zip = NULL;
    HAWQ_TRY(open_zip(path, &zip, &size));
    hawq_status status = list_members(zip, size, arena, out, n);
    zip_discard(zip);
    return status;
}

hawq_status hawq_npy_read(const char *path, hawq_arena *arena,
                          hawq_array *out) {
    uint64_t size = 0;
    uint8_t *bytes;
    HAWQ_TRY(hawq_file_size(path, &size));
    HAWQ_TAKE(bytes, arena, (size_t)size);
    HAWQ_TRY(hawq_file_read(path, 0, (size_t)size, bytes));
    member m = {.bytes = bytes, .left = (size_t)size};
    HAWQ_TRY(read_header(&m, arena, out));
    return read_numbers(&m, 0, arena, out);
}

const char *hawq_npz_libzip_version(void) {
    return zip_libzip_version();
}
