/* cell.c -- one step of a recurrent operator; the equations are in recurrent.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/cell.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* --- activations --------------------------------------------------------- */

/* The operator of that name, its attributes alpha and beta where it has them,
 * and what they are without being given. Affine is alpha x + beta, ScaledTanh
 * alpha tanh(beta x). */
static const struct function_kind {
    const char *name, *op;
    int         n; /* numbers it has */
    double      alpha, beta;
} kinds[] = {
    {"Sigmoid", "Sigmoid", 0, 0, 0},
    {"Tanh", "Tanh", 0, 0, 0},
    {"Relu", "Relu", 0, 0, 0},
    {"Softsign", "Softsign", 0, 0, 0},
    {"Softplus", "Softplus", 0, 0, 0},
    {"LeakyRelu", "LeakyRelu", 1, 0.01, 0},
    {"ThresholdedRelu", "ThresholdedRelu", 1, 1, 0},
    {"Elu", "Elu", 1, 1, 0},
    {"HardSigmoid", "HardSigmoid", 2, 0.2, 0.5},
    {"Affine", NULL, 2, 1, 0},
    {"ScaledTanh", NULL, 2, 1, 1},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct function_kind *find_kind(const char *name, size_t n) {
    for (int k = 0; k < KINDS; k++)
        if (strlen(kinds[k].name) == n &&
            strncasecmp(kinds[k].name, name, n) == 0)
            return &kinds[k];
    return NULL;
}

/* The next number of a list that functions take from in turn. */
static double next(const hawq_attr *list, size_t *at, double otherwise) {
    return list && *at < list->n ? list->floats[(*at)++] : otherwise;
}

/* The names of all directions are one string, with spaces between. */
hawq_status hawq_cell_functions(cell *c) {
    const hawq_attr *names = hawq_write_attr(&c->w, "activations");
    const hawq_attr *alphas = hawq_write_attr(&c->w, "activation_alpha");
    const hawq_attr *betas = hawq_write_attr(&c->w, "activation_beta");
    const char      *at = names && names->s ? names->s
                          : c->gates == 4   ? "Sigmoid Tanh Tanh"
                          : c->gates == 3   ? "Sigmoid Tanh"
                                            : "Tanh";
    bool             given = names && names->s;
    size_t           a = 0, b = 0;
    int              each = c->gates == 1 ? 1 : c->gates - 1;
    int              skip = given ? each * c->direction : 0;
    for (int i = 0; i < skip + each; i++) {
        size_t                      n = strcspn(at, " ");
        const struct function_kind *kind = find_kind(at, n);
        if (!kind)
            return hawq_write_fail(&c->w, HAWQ_EUNSUPPORTED,
                                   n ? "activation '%.*s' is not supported"
                                     : "there are too few activations%.*s",
                                   (int)n, at);
        function f = {.kind = kind};
        f.alpha = kind->n > 0 ? next(alphas, &a, kind->alpha) : 0;
        f.beta = kind->n > 1 ? next(betas, &b, kind->beta) : 0;
        if (i >= skip) c->f[i - skip] = f;
        at += n + (at[n] == ' ');
    }
    return HAWQ_OK;
}

static hawq_status two(cell *c, const char *op, const char *a, const char *b,
                       const char **out) {
    return hawq_write(&c->w, &(hawq_call){.op = op, HAWQ_IN(a, b)}, out);
}

static hawq_status with_number(cell *c, const char *op, const char *x,
                               double number, const char **out) {
    const real  value = (real)number;
    const char *name;
    HAWQ_TRY(hawq_write_reals(&c->w, NULL, &value, &name));
    return two(c, op, x, name, out);
}

/* `clip` bounds what goes into an activation. */
static hawq_status bounded(cell *c, const char *x, const char **out) {
    const hawq_attr *clip = hawq_write_attr(&c->w, "clip");
    *out = x;
    if (!clip || !(clip->f > 0)) return HAWQ_OK;
    HAWQ_TRY(with_number(c, "Min", x, clip->f, out));
    return with_number(c, "Max", *out, -clip->f, out);
}

static hawq_status apply(cell *c, int k, const char *x, const char **out) {
    const function *f = &c->f[k];
    HAWQ_TRY(bounded(c, x, &x));
    if (f->kind->op) {
        hawq_call call = {.op = f->kind->op, HAWQ_IN(x)};
        if (f->kind->n > 0)
            call.attr[0] = (hawq_attr){
                .name = "alpha", .type = HAWQ_ATTR_FLOAT, .f = f->alpha};
        if (f->kind->n > 1)
            call.attr[1] = (hawq_attr){
                .name = "beta", .type = HAWQ_ATTR_FLOAT, .f = f->beta};
        return hawq_write(&c->w, &call, out);
    }
    if (strcmp(f->kind->name, "Affine") == 0) {
        HAWQ_TRY(with_number(c, "Mul", x, f->alpha, out));
        return with_number(c, "Add", *out, f->beta, out);
    }
    HAWQ_TRY(with_number(c, "Mul", x, f->beta, out));
    HAWQ_TRY(hawq_write(&c->w, &(hawq_call){.op = "Tanh", HAWQ_IN(*out)}, out));
    return with_number(c, "Mul", *out, f->alpha, out);
}

/* --- parts of a step ----------------------------------------------------- */

/* An index picks each part, and not a Split all: that is a movement for whoever
 * knows movements. The steps share the indices. */
static hawq_status pick(cell *c, const char *x, int k, const char **out) {
    if (!c->index[k]) {
        int64_t *at;
        HAWQ_TAKE(at, &c->w.graph->arena, (size_t)c->hidden);
        for (int64_t i = 0; i < c->hidden; i++) at[i] = k * c->hidden + i;
        HAWQ_TRY(hawq_write_ints(&c->w, &(hawq_shape){1, {c->hidden}}, at,
                                 &c->index[k]));
    }
    return hawq_write(&c->w,
                      &(hawq_call){.op = "Gather",
                                   HAWQ_IN(x, c->index[k]),
                                   HAWQ_SET("axis", 1)},
                      out);
}

hawq_status hawq_cell_split(cell *c, const char *x, int n, const char **part) {
    part[0] = x;
    for (int k = 0; n > 1 && k < n; k++) HAWQ_TRY(pick(c, x, k, &part[k]));
    return HAWQ_OK;
}

/* h times a matrix. */
static hawq_status multiply(cell *c, const char *h, const product *p,
                            const char **out) {
    if (p->bias)
        return hawq_write(&c->w,
                          &(hawq_call){.op = "Gemm",
                                       HAWQ_IN(h, p->weight, p->bias),
                                       .layer = p->layer},
                          out);
    return hawq_write(
        &c->w,
        &(hawq_call){.op = "MatMul", HAWQ_IN(h, p->weight), .layer = p->layer},
        out);
}

/* z + h R', z alone where the state is zero. */
static hawq_status add_state(cell *c, const char **z) {
    const char *r;
    if (!c->h) return HAWQ_OK;
    HAWQ_TRY(multiply(c, c->h, &c->h_all, &r));
    return two(c, "Add", *z, r, z);
}

/* --- steps --------------------------------------------------------------- */

static hawq_status add_peephole(cell *c, int k, const char *memory,
                                const char **gate) {
    const char *p;
    if (!c->peephole[k] || !memory) return HAWQ_OK;
    HAWQ_TRY(two(c, "Mul", memory, c->peephole[k], &p));
    return two(c, "Add", *gate, p, gate);
}

static hawq_status one_minus(cell *c, const char *x, const char **out) {
    const real  one = 1;
    const char *name;
    HAWQ_TRY(hawq_write_reals(&c->w, NULL, &one, &name));
    return two(c, "Sub", name, x, out);
}

static hawq_status step_lstm(cell *c, const char *z) {
    enum { I, O, F, C };    /* gates, as the file has them */
    enum { P_I, P_O, P_F }; /* peepholes, as the file has them */
    const char *gate[4], *kept, *out;
    HAWQ_TRY(add_state(c, &z));
    HAWQ_TRY(hawq_cell_split(c, z, 4, gate));
    HAWQ_TRY(add_peephole(c, P_I, c->c, &gate[I]));
    HAWQ_TRY(apply(c, 0, gate[I], &gate[I]));
    HAWQ_TRY(apply(c, 1, gate[C], &gate[C]));
    HAWQ_TRY(two(c, "Mul", gate[I], gate[C], &out));
    if (c->c) {
        HAWQ_TRY(add_peephole(c, P_F, c->c, &gate[F]));
        if (c->coupled)
            HAWQ_TRY(one_minus(c, gate[I], &gate[F]));
        else
            HAWQ_TRY(apply(c, 0, gate[F], &gate[F]));
        HAWQ_TRY(two(c, "Mul", gate[F], c->c, &kept));
        HAWQ_TRY(two(c, "Add", kept, out, &out));
    }
    c->c = out;
    HAWQ_TRY(add_peephole(c, P_O, c->c, &gate[O]));
    HAWQ_TRY(apply(c, 0, gate[O], &gate[O]));
    HAWQ_TRY(apply(c, 2, c->c, &out));
    return two(c, "Mul", gate[O], out, &c->h);
}

/* n + z * (h - n) */
static hawq_status mix(cell *c, const char *z, const char *n) {
    const char *part;
    if (!c->h) {
        HAWQ_TRY(two(c, "Mul", z, n, &part));
        return two(c, "Sub", n, part, &c->h);
    }
    HAWQ_TRY(two(c, "Sub", c->h, n, &part));
    HAWQ_TRY(two(c, "Mul", z, part, &part));
    return two(c, "Add", n, part, &c->h);
}

/* What the state adds to the gates z and r; in the linear form it also makes
 * *n, which the reset gate multiplies. */
static hawq_status add_to_gates(cell *c, const char **gate, const char **n) {
    const char *all, *part[3];
    *n = c->linear && !c->h ? c->reset_bias : NULL;
    if (!c->h) return HAWQ_OK;
    HAWQ_TRY(multiply(c, c->h, c->linear ? &c->h_all : &c->h_zr, &all));
    HAWQ_TRY(hawq_cell_split(c, all, c->linear ? 3 : 2, part));
    for (int k = 0; k < 2; k++)
        HAWQ_TRY(two(c, "Add", gate[k], part[k], &gate[k]));
    if (c->linear) *n = part[2];
    return HAWQ_OK;
}

static hawq_status step_gru(cell *c, const char *z) {
    enum { Z, R, N };
    const char *gate[4], *n;
    HAWQ_TRY(hawq_cell_split(c, z, 3, gate));
    HAWQ_TRY(add_to_gates(c, gate, &n));
    HAWQ_TRY(apply(c, 0, gate[Z], &gate[Z]));
    if (n || c->h) HAWQ_TRY(apply(c, 0, gate[R], &gate[R]));
    if (!c->linear && c->h) {
        HAWQ_TRY(two(c, "Mul", gate[R], c->h, &n));
        HAWQ_TRY(multiply(c, n, &c->h_n, &n));
        HAWQ_TRY(two(c, "Add", gate[N], n, &gate[N]));
    } else if (n) {
        HAWQ_TRY(two(c, "Mul", gate[R], n, &n));
        HAWQ_TRY(two(c, "Add", gate[N], n, &gate[N]));
    }
    HAWQ_TRY(apply(c, 1, gate[N], &gate[N]));
    return mix(c, gate[Z], gate[N]);
}

hawq_status hawq_cell_step(cell *c, const char *z) {
    if (c->gates == 4) return step_lstm(c, z);
    if (c->gates == 3) return step_gru(c, z);
    HAWQ_TRY(add_state(c, &z));
    return apply(c, 0, z, &c->h);
}
