/* hash.c -- see hash.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/hash.h"

#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* a state on the stack */
#include <xxhash.h>

/* --- one item at a time ------------------------------------------------ */

static void begin(XXH3_state_t *s, const hawq_digest *digest) {
    XXH3_INITSTATE(s);
    XXH3_128bits_reset(s);
    XXH3_128bits_update(s, digest, sizeof *digest);
}

static void end(const XXH3_state_t *s, hawq_digest *digest) {
    XXH128_hash_t h = XXH3_128bits_digest(s);
    *digest = (hawq_digest){{h.high64, h.low64}};
}

/* n elements of `size` bytes, behind their number. */
static void put(XXH3_state_t *s, const void *items, size_t n, size_t size) {
    uint64_t count = n;
    XXH3_128bits_update(s, &count, sizeof count);
    if (n) XXH3_128bits_update(s, items, n * size);
}

static void put_text(XXH3_state_t *s, const char *text) {
    put(s, text ? text : "", text ? strlen(text) : 0, 1);
}

static void put_int(XXH3_state_t *s, int64_t value) {
    XXH3_128bits_update(s, &value, sizeof value);
}

static void put_tensor(XXH3_state_t *s, const hawq_tensor *t) {
    put_int(s, t->dtype);
    put(s, t->shape.dim, (size_t)t->shape.rank, sizeof *t->shape.dim);
    if (t->data) put(s, t->data, t->n, sizeof *t->data);
    if (t->ints) put(s, t->ints, t->n, sizeof *t->ints);
}

/* --- what is hashed ---------------------------------------------------- */

static void put_attribute(XXH3_state_t *s, const hawq_attr *a) {
    put_text(s, a->name);
    put_int(s, a->type);
    switch (a->type) {
    case HAWQ_ATTR_INT:
        put_int(s, a->i);
        break;
    case HAWQ_ATTR_FLOAT:
        put(s, &a->f, 1, sizeof a->f);
        break;
    case HAWQ_ATTR_STRING:
        put_text(s, a->s);
        break;
    case HAWQ_ATTR_INTS:
        put(s, a->ints, a->n, sizeof *a->ints);
        break;
    case HAWQ_ATTR_FLOATS:
        put(s, a->floats, a->n, sizeof *a->floats);
        break;
    case HAWQ_ATTR_TENSOR:
        put_tensor(s, a->tensor);
        break;
    }
}

void hawq_digest_constant(hawq_digest *digest, const hawq_tensor *t) {
    XXH3_state_t s;
    begin(&s, digest);
    put_text(&s, t->name);
    put_tensor(&s, t);
    end(&s, digest);
}

void hawq_digest_node(hawq_digest *digest, const hawq_node_spec *spec) {
    XXH3_state_t s;
    begin(&s, digest);
    put_text(&s, spec->op_type);
    put_text(&s, spec->name);
    put_int(&s, spec->n_in);
    for (int i = 0; i < spec->n_in; i++) put_text(&s, spec->in[i]);
    put_int(&s, spec->n_out);
    for (int i = 0; i < spec->n_out; i++) put_text(&s, spec->out[i]);
    put_int(&s, spec->n_attr);
    for (int i = 0; i < spec->n_attr; i++) put_attribute(&s, &spec->attr[i]);
    end(&s, digest);
}

void hawq_digest_reals(hawq_digest *digest, const real *x, size_t n) {
    XXH3_state_t s;
    begin(&s, digest);
    put(&s, x, n, sizeof *x);
    end(&s, digest);
}

void hawq_digest_text(const hawq_digest *digest, char text[HAWQ_HASH_TEXT]) {
    for (int i = 0; i < 32; i++)
        text[i] =
            "0123456789abcdef"[digest->half[i / 16] >> (60 - 4 * (i % 16)) &
                               15];
    text[32] = 0;
}
