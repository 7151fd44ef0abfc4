/* op_harness.h -- the identities that tie an operator's four functions
 * together, on the cases of op_case.h. op_check proves, for one to three lanes,
 * that
 *     tangent          = central difference of forward
 *     adjoint          = transpose of tangent: <u, J v> = <J'u, v>, for all
 *                        inputs together and for each alone
 *     adjoint_tangent  = central difference of adjoint, and the sum of its
 *                        part from bardot(out) (bar NULL: Gauss-Newton) and
 *                        its part from bar(out), which a piecewise linear
 *                        operator does not have
 * and that adjoints add to what is there, tangents overwrite what is there,
 * and NULL planes are zero as operands and skipped as results. Made for the
 * double build: differences hold to 1e-6 there.
 *
 *     static const op_case relu = {"Relu", .in = {ACT(2, 3)}};
 *     op_check(&relu);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_OP_HARNESS_H
#define HAWQ_OP_HARNESS_H
#include "tests/op_case.h"

/* --- vectors over all inputs or outputs -------------------------------- */

static real **op_new_in(const op_run *r, real **v, double value) {
    for (int k = 0; k < r->n_in; k++) {
        v[k] = r->free[k] ? op_plane(r->in[k]->n) : NULL;
        for (size_t i = 0; v[k] && i < r->in[k]->n; i++) v[k][i] = (real)value;
    }
    return v;
}

static void op_random_in(op_run *r, real **v) {
    for (int k = 0; k < r->n_in; k++)
        v[k] = r->free[k] ? op_random(r, r->in[k]->n) : NULL;
}

static void op_random_out(op_run *r, real **v) {
    for (int k = 0; k < r->n_out; k++) v[k] = op_random(r, r->out[k]->n);
}

static double op_dot(const real *a, const real *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; a && b && i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Equal within 1e-6 of the larger of 1 and the values' size; says where not. */
static int op_same(const op_run *r, const char *what, int k, const real *got,
                   const real *want, size_t n, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        double scale = fmax(1, fabs((double)want[i]));
        if (!(fabs((double)(got[i] - want[i])) <= tolerance * scale)) {
            printf("    %s: %s of operand %d, element %zu: %.12g, expected "
                   "%.12g\n",
                   r->c->op, what, k, i, (double)got[i], (double)want[i]);
            return CHECK(!"values agree");
        }
    }
    return CHECK("values agree");
}

/* x += t * v on all free inputs */
static void op_move(op_run *r, real *const *v, double t) {
    for (int k = 0; k < r->n_in; k++)
        for (size_t i = 0; r->free[k] && i < r->in[k]->n; i++)
            r->x[k][i] += (real)t * v[k][i];
}

enum { OP_STEPS = 2 };
static const double op_step = 1e-6;

/* --- the identities ---------------------------------------------------- */

/* tangent against (forward(x + h v) - forward(x - h v)) / 2h, all lanes. */
static void op_check_tangent(op_run *r, int lanes, real *v[][OP_IN]) {
    op_planes q = {0};
    for (int l = 0; l < lanes; l++) {
        memcpy(q.dot[l], v[l], sizeof q.dot[l]);
        op_new_out(r, q.out_dot[l]);
    }
    op_new_out(r, q.val);
    op_call(r, OP_FORWARD, 0, &q);
    op_call(r, OP_TANGENT, lanes, &q);
    op_free(q.val, r->n_out);
    for (int l = 0; l < lanes; l++) {
        op_planes at[OP_STEPS];
        memset(at, 0, sizeof at);
        for (int s = 0; s < OP_STEPS; s++) {
            op_new_out(r, at[s].val);
            op_move(r, v[l], s ? -2 * op_step : op_step);
            op_call(r, OP_FORWARD, 0, &at[s]);
        }
        op_move(r, v[l], op_step);
        for (int k = 0; k < r->n_out; k++) {
            for (size_t i = 0; i < r->out[k]->n; i++)
                at[0].val[k][i] =
                    (at[0].val[k][i] - at[1].val[k][i]) / (real)(2 * op_step);
            op_same(r, "tangent", k, q.out_dot[l][k], at[0].val[k],
                    r->out[k]->n, 1e-6);
        }
        op_free(q.out_dot[l], r->n_out);
        for (int s = 0; s < OP_STEPS; s++) op_free(at[s].val, r->n_out);
    }
}

/* <u, J v> = <J'u, v> for the inputs flagged in `use`; the planes of all
 * others are NULL. The adjoint is added to ones. */
static void op_check_transpose(op_run *r, const bool *use, real **v, real **u) {
    op_planes q = {0};
    double    left = 0, right = 0;
    op_new_out(r, q.val);
    op_call(r, OP_FORWARD, 0, &q);
    op_new_in(r, q.in_bar, 1);
    for (int k = 0; k < r->n_in; k++) {
        if (!use[k]) op_free(&q.in_bar[k], 1);
        q.dot[0][k] = use[k] ? v[k] : NULL;
    }
    memcpy(q.bar, u, sizeof q.bar);
    op_new_out(r, q.out_dot[0]);
    op_call(r, OP_TANGENT, 1, &q);
    op_call(r, OP_ADJOINT, 1, &q);
    for (int k = 0; k < r->n_out; k++)
        left += op_dot(u[k], q.out_dot[0][k], r->out[k]->n);
    for (int k = 0; k < r->n_in; k++)
        for (size_t i = 0; use[k] && i < r->in[k]->n; i++)
            right += (double)(q.in_bar[k][i] - 1) * (double)v[k][i];
    if (!CHECK_NEAR(left, right, 1e-10 * fmax(1, fabs(left))))
        printf("    %s: <u, J v> and <J'u, v>\n", r->c->op);
    op_free(q.val, r->n_out);
    op_free(q.in_bar, r->n_in);
    op_free(q.out_dot[0], r->n_out);
}

static void op_check_transposes(op_run *r, real **v, real **u) {
    op_check_transpose(r, r->free, v, u);
    for (int k = 0; k < r->n_in; k++) {
        bool one[OP_IN] = {false};
        one[k] = r->free[k];
        if (r->free[k]) op_check_transpose(r, one, v, u);
    }
}

/* adjoint at x + t v, u + t s into bars of zeros. */
static void op_adjoint_at(op_run *r, real **v, real **u, real **s, double t,
                          real **in_bar) {
    op_planes q = {0};
    op_new_out(r, q.val);
    op_new_out(r, q.bar);
    for (int k = 0; k < r->n_out; k++)
        for (size_t i = 0; i < r->out[k]->n; i++)
            q.bar[k][i] = u[k][i] + (real)t * s[k][i];
    memcpy(q.in_bar, op_new_in(r, in_bar, 0), sizeof q.in_bar);
    op_move(r, v, t);
    op_call(r, OP_FORWARD, 0, &q);
    op_call(r, OP_ADJOINT, 0, &q);
    op_move(r, v, -t);
    op_free(q.val, r->n_out);
    op_free(q.bar, r->n_out);
}

/* One call of adjoint_tangent with these operands (u or v may be NULL: all
 * their planes are), added to ones, which are taken off again. */
static void op_adjoint_tangent(op_run *r, int lanes, real *v[][OP_IN], real **u,
                               real *s[][OP_OUT], real *result[][OP_IN]) {
    op_planes q = {0};
    op_new_out(r, q.val);
    op_call(r, OP_FORWARD, 0, &q);
    if (u) memcpy(q.bar, u, sizeof q.bar);
    for (int l = 0; l < lanes; l++) {
        if (v) memcpy(q.dot[l], v[l], sizeof q.dot[l]);
        if (s) memcpy(q.bardot[l], s[l], sizeof q.bardot[l]);
        memcpy(q.in_bardot[l], op_new_in(r, result[l], 1),
               sizeof q.in_bardot[l]);
    }
    op_call(r, OP_ADJOINT_TANGENT, lanes, &q);
    for (int l = 0; l < lanes; l++)
        for (int k = 0; k < r->n_in; k++)
            for (size_t i = 0; r->free[k] && i < r->in[k]->n; i++)
                result[l][k][i] -= 1;
    op_free(q.val, r->n_out);
}

static void op_check_adjoint_tangent(op_run *r, int lanes, real *v[][OP_IN],
                                     real **u, real *s[][OP_OUT]) {
    real *whole[OP_LANES][OP_IN] = {{0}}, *gauss[OP_LANES][OP_IN] = {{0}};
    real *rest[OP_LANES][OP_IN] = {{0}};
    op_adjoint_tangent(r, lanes, v, u, s, whole);
    op_adjoint_tangent(r, lanes, v, NULL, s, gauss);
    op_adjoint_tangent(r, lanes, v, u, NULL, rest);
    for (int l = 0; l < lanes; l++) {
        real *plus[OP_IN] = {0}, *minus[OP_IN] = {0};
        op_adjoint_at(r, v[l], u, s[l], op_step, plus);
        op_adjoint_at(r, v[l], u, s[l], -op_step, minus);
        for (int k = 0; k < r->n_in; k++) {
            if (!r->free[k]) continue;
            for (size_t i = 0; i < r->in[k]->n; i++) {
                plus[k][i] = (plus[k][i] - minus[k][i]) / (real)(2 * op_step);
                rest[l][k][i] += gauss[l][k][i];
            }
            op_same(r, "adjoint_tangent", k, whole[l][k], plus[k], r->in[k]->n,
                    1e-6);
            op_same(r, "sum of the parts of adjoint_tangent", k, rest[l][k],
                    whole[l][k], r->in[k]->n, 1e-10);
            if (r->node->op->piecewise_linear)
                op_same(r, "adjoint_tangent without bar", k, gauss[l][k],
                        whole[l][k], r->in[k]->n, 0);
        }
        op_free(plus, OP_IN);
        op_free(minus, OP_IN);
        op_free(whole[l], OP_IN);
        op_free(gauss[l], OP_IN);
        op_free(rest[l], OP_IN);
    }
}

/* Gauss-Newton with nothing moving: adjoint_tangent is the adjoint; and no
 * wanted result: nothing is touched. */
static void op_check_null(op_run *r, real **s) {
    real     *got[1][OP_IN] = {{0}}, *want[OP_IN] = {0};
    real     *seed[1][OP_OUT], *zero[OP_IN];
    op_planes nothing = {0};
    memcpy(seed[0], s, sizeof seed[0]);
    op_adjoint_tangent(r, 1, NULL, NULL, seed, got);
    op_adjoint_at(r, op_new_in(r, zero, 0), s, s, 0, want);
    for (int k = 0; k < r->n_in; k++)
        if (r->free[k])
            op_same(r, "adjoint_tangent of bardot alone", k, got[0][k], want[k],
                    r->in[k]->n, 1e-10);
    op_new_out(r, nothing.val);
    op_call(r, OP_FORWARD, 0, &nothing);
    op_call(r, OP_ADJOINT, 0, &nothing);
    op_call(r, OP_TANGENT, 1, &nothing);
    op_call(r, OP_ADJOINT_TANGENT, 1, &nothing);
    op_free(nothing.val, r->n_out);
    op_free(got[0], OP_IN);
    op_free(want, OP_IN);
    op_free(zero, r->n_in);
}

/* All of the above; the case must leave a node (some input is ACT). */
static inline void op_check(const op_case *c) {
    op_run r;
    if (CHECK_OK(op_open(&r, c)) && CHECK(r.node))
        for (int lanes = 1; lanes <= OP_LANES; lanes++) {
            real *v[OP_LANES][OP_IN] = {{0}}, *s[OP_LANES][OP_OUT] = {{0}};
            real *u[OP_OUT] = {0};
            for (int l = 0; l < lanes; l++) {
                op_random_in(&r, v[l]);
                op_random_out(&r, s[l]);
            }
            op_random_out(&r, u);
            op_check_tangent(&r, lanes, v);
            op_check_transposes(&r, v[0], u);
            op_check_adjoint_tangent(&r, lanes, v, u, s);
            op_check_null(&r, s[0]);
            for (int l = 0; l < lanes; l++) {
                op_free(v[l], OP_IN);
                op_free(s[l], OP_OUT);
            }
            op_free(u, OP_OUT);
        }
    op_close(&r);
}

#define IDENTITIES(...) op_check(&(const op_case){__VA_ARGS__})

#endif
