/* rewriting.c -- see rewriting.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/rewriting.h"

#include "src/exchange/qdq.h"

#include <string.h>

static bool is_none(const hawq_rewriting *r) {
    return !r->text || !*r->text;
}

/* Scales matter most where bits are few, but at one or two other errors are
 * larger: the widest of at most four bits, else the narrowest of all. */
static const hawq_candidate *judge(int n, const hawq_candidate *c) {
    const hawq_candidate *narrowest = NULL, *best = NULL;
    for (int i = 0; i < n; i++) {
        double bits = hawq_format_stored_bits(&c[i].format);
        if (hawq_format_is_uncoded(&c[i].format)) continue;
        if (!narrowest || bits < hawq_format_stored_bits(&narrowest->format))
            narrowest = &c[i];
        if (bits <= 4 &&
            (!best || bits > hawq_format_stored_bits(&best->format)))
            best = &c[i];
    }
    return best ? best : narrowest;
}

hawq_status hawq_rewriting_find(const hawq_cli *cli, const char *text,
                                hawq_graph *graph, hawq_threads *threads, int n,
                                const hawq_candidate *candidate, size_t images,
                                const real *x, hawq_arena *arena,
                                hawq_rewriting *out) {
    hawq_rewrite         how;
    hawq_rewrite_factors f;
    if (hawq_rewrite_read(text, &how) != HAWQ_OK)
        return hawq_prefix("--rewrite: ");
    if (hawq_qdq_is_quantized(graph))
        return hawq_fail(HAWQ_EINVAL,
                         "--rewrite %s: the model was quantized before, and "
                         "its integers have no scales to move",
                         text);
    if (hawq_rewrite_find(&how, graph, threads, judge(n, candidate), images, x,
                          arena, &f) != HAWQ_OK)
        return hawq_prefix("--rewrite %s: ", text);
    *out = (hawq_rewriting){text, f.seams, f.n, f.factor};
    hawq_cli_note(cli,
                  "--rewrite %s: scales of %zu channels were moved, at %d "
                  "tensors between layers%s",
                  text, f.n, f.seams,
                  f.seams ? ""
                          : ": no layer's outputs are read by layers alone, "
                            "so nothing changes");
    return hawq_rewriting_apply(out, graph);
}

hawq_status hawq_rewriting_apply(const hawq_rewriting *r, hawq_graph *graph) {
    hawq_rewrite         how;
    hawq_rewrite_factors f = {r->seams, r->n, r->factor};
    if (is_none(r) || !graph) return HAWQ_OK;
    if (hawq_rewrite_read(r->text, &how) != HAWQ_OK ||
        hawq_rewrite_apply(&how, graph, &f) != HAWQ_OK)
        return hawq_prefix("rewrite %s: ", r->text);
    return HAWQ_OK;
}

void hawq_rewriting_put(const hawq_rewriting *r, hawq_run_record *record) {
    record->rewrite = r->text;
    record->rewrite_factors = r->factor;
    record->n_rewrite_factors = r->n;
}

hawq_rewriting hawq_rewriting_of(const hawq_run_record *record) {
    return (hawq_rewriting){record->rewrite, 0, record->n_rewrite_factors,
                            record->rewrite_factors};
}

bool hawq_rewriting_same(const hawq_rewriting *a, const hawq_rewriting *b) {
    if (is_none(a) || is_none(b)) return is_none(a) && is_none(b);
    return !strcmp(a->text, b->text) && a->n == b->n &&
           !memcmp(a->factor, b->factor, a->n * sizeof *a->factor);
}

static const char *name(const hawq_rewriting *r) {
    return is_none(r) ? "the network as it is" : r->text;
}

hawq_status hawq_rewriting_agree(int n, const hawq_allocation *const *a,
                                 const char *asked, hawq_rewriting *out) {
    const hawq_allocation *first = NULL;
    for (int i = 0; i < n; i++) {
        if (!a[i]->id && !a[i]->analysis) continue;
        if (asked)
            return hawq_fail(HAWQ_EINVAL,
                             "--rewrite %s: the losses and codes of %s are of "
                             "%s; give hawq-analyze that --rewrite, and search "
                             "again",
                             asked, a[i]->label, name(&a[i]->rewriting));
        if (!first) first = a[i];
        if (!hawq_rewriting_same(&first->rewriting, &a[i]->rewriting))
            return hawq_fail(HAWQ_EINVAL,
                             "%s and %s cannot be compared in one run: scales "
                             "were moved otherwise (%s, %s); give one of them",
                             first->label, a[i]->label, name(&first->rewriting),
                             name(&a[i]->rewriting));
    }
    *out = first ? first->rewriting : (hawq_rewriting){0};
    return HAWQ_OK;
}
