/* analysis_quantize.c -- what to quantize to, and every layer quantized to it,
 * once: all metrics look at these codes, and those that data has had a part in
 * are kept in the database.
 *
 * Evidence of the methods are the second moments of the float network's inputs
 * on the first images, of as many layers at once as fit; the last images are
 * kept apart, for those who compare the codes on the same data.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/clock.h"
#include "src/cli/analyze/analysis_parts.h"
#include "src/cli/kit/output.h"
#include "src/cli/kit/progress.h"
#include "src/quant/curvature.h"

#include <math.h>
#include <string.h>

/* What is analysed where nobody says: good at their bytes. Of 4 bits two grids,
 * for w4 leaves as packed integers and w4c often loses less; below 4 nothing
 * is packed elsewhere, and the centred grid loses least. */
static const char default_candidates[] =
    "w8,w6:coordinate,w5:coordinate,w4:coordinate,w4c:coordinate,"
    "w3c:coordinate,w2c:coordinate,t:coordinate,k3:coordinate,k2:coordinate";

/* --- which ----------------------------------------------------------------
 */

/* "w8,w4,w2" */
static const char *list_of_bits(hawq_analysis *a) {
    const char *text = "";
    for (int i = 0; i < a->bits.n && text; i++)
        text = hawq_arena_format(&a->arena, "%s%sw%d", text, i ? "," : "",
                                 a->bits.item[i]);
    return text;
}

/* --range is the method of those that name none. */
static hawq_status apply_range(hawq_analysis *a, hawq_candidate *c) {
    bool plain = c->method == &hawq_method_nearest;
    if (!plain || a->range == HAWQ_RANGE_MAX) return HAWQ_OK;
    return hawq_method_find(hawq_range_name((hawq_range)a->range), &c->method);
}

/* Most stored bits first; equals stay in the order they were given. */
static void sort(hawq_candidate *c, int n) {
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && hawq_format_stored_bits(&c[j - 1].format) <
                                     hawq_format_stored_bits(&c[j].format);
             j--) {
            hawq_candidate swap = c[j];
            c[j] = c[j - 1];
            c[j - 1] = swap;
        }
}

static bool is_width(const hawq_format *f) {
    return f->family == HAWQ_NARROW && !f->group && !(f->outliers > 0);
}

static hawq_status name(hawq_analysis *a, int i) {
    const hawq_candidate *c = &a->candidate[i];
    char                  text[HAWQ_CANDIDATE_TEXT];
    bool                  short_key = is_width(&c->format) &&
                     (a->bits.n > 0 || c->method == &hawq_method_nearest);
    hawq_candidate_text(c, text);
    a->name[i] = hawq_arena_string(&a->arena, text);
    a->key[i] = short_key ? hawq_arena_format(&a->arena, "%d", c->format.bits)
                          : a->name[i];
    return a->name[i] && a->key[i] ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status check(const hawq_analysis *a) {
    if (a->n_candidates > HAWQ_CANDIDATES_MAX)
        return hawq_fail(HAWQ_EINVAL, "--candidates: %d are given; at most %d",
                         a->n_candidates, HAWQ_CANDIDATES_MAX);
    for (int i = 0; i < a->n_candidates; i++)
        if (a->candidate[i].format.bits == HAWQ_FLOAT_BITS)
            return hawq_fail(HAWQ_EINVAL,
                             "--candidates: float needs no analysis, it leaves "
                             "the loss as it is; name it in hawq-search --bits "
                             "or --pin");
    return HAWQ_OK;
}

hawq_status hawq_analysis_candidates(hawq_analysis *a) {
    const char *text = a->candidates ? a->candidates : list_of_bits(a);
    if (!text) return HAWQ_ENOMEM;
    if (a->candidates && a->bits.n)
        return hawq_fail(HAWQ_EINVAL, "--bits and --candidates both say what "
                                      "to quantize to; give one of them");
    if (!*text) text = default_candidates;
    if (hawq_candidates_read(text, &a->arena, &a->n_candidates,
                             &a->candidate) != HAWQ_OK)
        return hawq_prefix(a->bits.n ? "--bits: " : "--candidates: ");
    for (int i = 0; i < a->n_candidates; i++)
        HAWQ_TRY(apply_range(a, &a->candidate[i]));
    HAWQ_TRY(check(a));
    sort(a->candidate, a->n_candidates);
    HAWQ_TAKE(a->name, &a->arena, (size_t)a->n_candidates);
    HAWQ_TAKE(a->key, &a->arena, (size_t)a->n_candidates);
    HAWQ_TAKE(a->seconds, &a->arena, (size_t)a->n_candidates);
    for (int i = 0; i < a->n_candidates; i++) HAWQ_TRY(name(a, i));
    return HAWQ_OK;
}

const char *hawq_analysis_at(hawq_analysis *a, int i) {
    const char *text = a->key[i] == a->name[i]
                           ? a->name[i]
                           : hawq_arena_format(&a->arena, "%s bits", a->key[i]);
    return text ? text : "";
}

bool hawq_analysis_compensates(const hawq_analysis *a) {
    for (int i = 0; i < a->n_candidates; i++)
        if (a->candidate[i].method->compensates) return true;
    return false;
}

static bool needs_inputs(const hawq_candidate *c) {
    return c->method->needs != HAWQ_NEEDS_NOTHING;
}

static bool any_needs(const hawq_analysis *a, hawq_needs what) {
    for (int i = 0; i < a->n_candidates; i++)
        if (a->candidate[i].method->needs >= what) return true;
    return false;
}

static bool any_needs_inputs(const hawq_analysis *a) {
    return any_needs(a, HAWQ_NEEDS_INPUTS);
}

/* --- quantizing -----------------------------------------------------------
 */

/* E[(dw'u)^2] about its mean, summed over the channels. */
static double output_error(const hawq_layer *l, const real *dw,
                           const hawq_moments *m, double *row) {
    double total = 0;
    for (size_t c = 0; c < m->rows; c++) {
        size_t        block = c / (m->rows / m->blocks);
        const double *moment = m->moment + block * m->cols * m->cols;
        for (size_t k = 0; k < m->cols; k++)
            row[k] = (double)dw[hawq_weight_at(l, c, k)];
        for (size_t i = 0; i < m->cols; i++) {
            double sum = 0;
            for (size_t k = 0; k < m->cols; k++)
                sum += moment[i * m->cols + k] * row[k];
            total += row[i] * sum;
        }
    }
    return total;
}

/* What the method does for the outputs that rounding to nearest does not. */
static hawq_status compare(hawq_analysis *a, const hawq_layer *l,
                           const hawq_candidate *c, const hawq_moments *m,
                           hawq_arena *scratch, hawq_rounded *r) {
    hawq_candidate plain = {c->format, &hawq_method_nearest};
    hawq_quantized nearest;
    real          *dw;
    double        *row;
    if (!needs_inputs(c)) return HAWQ_OK;
    HAWQ_TAKE(dw, scratch, l->weight->n);
    HAWQ_TAKE(row, scratch, m->cols);
    hawq_quantized_error(&r->q, l, dw, NULL);
    r->after = output_error(l, dw, m, row);
    HAWQ_TRY(
        hawq_quantize(l, &plain, NULL, NULL, a->threads, scratch, &nearest));
    hawq_quantized_error(&nearest, l, dw, NULL);
    r->before = output_error(l, dw, m, row);
    return HAWQ_OK;
}

static hawq_status quantize(hawq_analysis *a, int l, int i,
                            const hawq_moments *m, hawq_arena *scratch) {
    const hawq_layer *layer = &a->graph->layer[l];
    hawq_rounded     *r = &a->rounded[l * a->n_candidates + i];
    hawq_candidate    c = hawq_candidate_possible(&a->candidate[i], m);
    bool              known = m && m->cols && m->positions > 0;
    double            start = hawq_clock_now();
    if (c.method != a->candidate[i].method) a->fallback[l] = known ? 2 : 1;
    HAWQ_TRY(hawq_quantize(layer, &c, known ? m : NULL, NULL, a->threads,
                           &a->arena, &r->q));
    r->seconds = hawq_clock_now() - start;
    r->before = r->after = NAN;
    if (known) HAWQ_TRY(compare(a, layer, &c, m, scratch, r));
    HAWQ_TAKE(r->error, &a->arena, layer->channels);
    hawq_quantized_error(&r->q, layer, r->dw, r->error);
    a->seconds[i] += r->seconds;
    return HAWQ_OK;
}

static hawq_status quantize_layer(hawq_analysis *a, int l,
                                  const hawq_moments *m) {
    size_t      n = a->graph->layer[l].weight->n;
    hawq_arena  scratch = {0};
    hawq_status status = HAWQ_OK;
    real       *dw = NULL; /* one row for each candidate */
    if (hawq_analysis_multiplies(a))
        HAWQ_TAKE(dw, &a->arena, (size_t)a->n_candidates * n);
    for (int i = 0; i < a->n_candidates && status == HAWQ_OK; i++) {
        if (dw) a->rounded[l * a->n_candidates + i].dw = dw + (size_t)i * n;
        status = quantize(a, l, i, m, &scratch);
    }
    hawq_arena_free(&scratch);
    return status;
}

/* Without the cross moments, which only refinement takes. */
static size_t moments_bytes(const hawq_graph *g, int l, int threads) {
    size_t all = hawq_moments_bytes(g, l, threads);
    size_t cross = g->layer[l].weight->n *
                   (sizeof(double) + (size_t)threads * sizeof(real));
    return all > cross ? all - cross : 0;
}

/* How many layers from number `first` on have their moments taken at once. */
static int layers_at_once(const hawq_analysis *a, int first, int threads,
                          size_t *bytes) {
    int n = 0;
    *bytes = 0;
    for (; first + n < a->graph->n_layers; n++) {
        size_t more = moments_bytes(a->graph, first + n, threads);
        if (n && *bytes + more > a->evidence) break;
        *bytes += more;
    }
    return n;
}

static size_t evidence_images(const hawq_analysis *a) {
    size_t n = a->data.n - hawq_data_apart(a->data.n, HAWQ_IMAGES_APART);
    return n < HAWQ_IMAGES_CHOOSE ? n : HAWQ_IMAGES_CHOOSE;
}

hawq_status hawq_analysis_rewrite(hawq_analysis *a) {
    if (!a->rewrite) return HAWQ_OK;
    HAWQ_TRY(hawq_rewriting_find(
        a->cli, a->rewrite, a->graph, a->threads, a->n_candidates, a->candidate,
        evidence_images(a), a->data.x, &a->arena, &a->rewriting));
    return hawq_rewriting_apply(&a->rewriting, a->single_graph);
}

static hawq_status quantize_some(hawq_analysis *a, hawq_twin *twin,
                                 double *const *curvature, int first, int n,
                                 hawq_progress *p) {
    hawq_arena    arena = {0};
    hawq_moments *m = hawq_arena_take(&arena, (size_t)n, sizeof *m);
    size_t        most = evidence_images(a);
    hawq_status   status = m ? HAWQ_OK : HAWQ_ENOMEM;
    if (m && twin)
        status = hawq_moments_collect(twin, a->graph, a->threads, first, n,
                                      most, a->data.x, false, &arena, m);
    for (int i = 0; i < n && status == HAWQ_OK; i++) {
        hawq_progress_update(p, first + i, NULL);
        if (curvature) m[i].curvature = curvature[first + i];
        status = quantize_layer(a, first + i, twin ? &m[i] : NULL);
    }
    hawq_arena_free(&arena);
    return status;
}

/* Layers whose candidates have their codes by another method. */
static void note_fallback(hawq_analysis *a, int why, const char *sentence) {
    hawq_listing list = {.arena = &a->cli->arena};
    for (int l = 0; l < a->graph->n_layers; l++)
        if (a->fallback[l] == why)
            hawq_listing_add(&list, a->graph->layer[l].name);
    if (list.n)
        hawq_cli_note(a->cli, "%s: %s", hawq_listing_text(&list), sentence);
}

/* Of the loss at every layer's outputs; NULL unless a method looks at it. */
static hawq_status find_curvature(hawq_analysis *a, hawq_arena *arena,
                                  double ***out) {
    *out = NULL;
    if (!any_needs(a, HAWQ_NEEDS_CURVATURE)) return HAWQ_OK;
    HAWQ_TAKE(*out, arena, (size_t)a->graph->n_layers);
    return hawq_curvature_find(a->graph, a->threads, evidence_images(a),
                               a->data.x, a->cli->seed, arena, *out);
}

static hawq_status quantize_all(hawq_analysis *a, hawq_arena *arena) {
    hawq_twin    *twin = NULL;
    double      **curvature;
    hawq_progress p;
    hawq_status   status = HAWQ_OK;
    int           layers = a->graph->n_layers;
    size_t        bytes;
    HAWQ_TRY(find_curvature(a, arena, &curvature));
    if (any_needs_inputs(a))
        HAWQ_TRY(hawq_twin_new(a->graph, a->threads, &twin));
    hawq_progress_begin(&p, a->cli->quiet, "quantizing", layers, "layers");
    for (int l = 0, n; l < layers && status == HAWQ_OK; l += n) {
        n = layers_at_once(a, l, a->n_threads, &bytes);
        status = quantize_some(a, twin, curvature, l, n, &p);
    }
    hawq_progress_end(&p);
    hawq_twin_free(twin);
    return status;
}

hawq_status hawq_analysis_quantize(hawq_analysis *a) {
    hawq_arena arena = {0};
    size_t     layers = (size_t)a->graph->n_layers;
    HAWQ_TAKE(a->rounded, &a->arena, layers * (size_t)a->n_candidates);
    HAWQ_TAKE(a->fallback, &a->arena, layers);
    hawq_status status = quantize_all(a, &arena);
    hawq_arena_free(&arena);
    note_fallback(a, 1,
                  "the inputs do not come as rows that a method could look "
                  "at; all candidates have their codes by mse there");
    note_fallback(a, 2,
                  "the curvature of the loss at these outputs is not known, "
                  "for they have no channels or too many; candidates by kron "
                  "have their codes by coordinate there");
    return status;
}

/* Rows of inputs as long as `cols` have a second moment, its damped copies and
 * its factor in the methods. */
static size_t scratch_bytes(const hawq_layer *l, bool inputs) {
    size_t cols = l->outer * l->inner;
    size_t bytes = l->weight->n * (4 * sizeof(double) + 2 * sizeof(real));
    return inputs ? bytes + 4 * cols * cols * sizeof(double) : bytes;
}

/* The twin's quantized copy is not run: its planes and weights stay unwritten
 * and take no memory. */
static size_t unused_bytes(const hawq_graph *g, int threads) {
    size_t planes = 0, weights = 0;
    for (int i = 0; i < g->n_tensors; i++)
        if (g->tensor[i]->role != HAWQ_CONSTANT) planes += g->tensor[i]->n;
    for (int l = 0; l < g->n_layers; l++) weights += g->layer[l].weight->n;
    return (planes * (size_t)threads + weights) * sizeof(real);
}

size_t hawq_analysis_evidence_bytes(const hawq_analysis *a, int threads) {
    enum { TILES = 5 << 19 }; /* of a worker: unfolded inputs, clips of a row */
    bool   inputs = any_needs_inputs(a) || a->rewrite;
    size_t most = 0, scratch = 0, bytes;
    for (int l = 0, n; l < a->graph->n_layers; l += n) {
        n = layers_at_once(a, l, threads, &bytes);
        if (bytes > most) most = bytes;
    }
    for (int l = 0; l < a->graph->n_layers; l++) {
        bytes = scratch_bytes(&a->graph->layer[l], inputs);
        if (bytes > scratch) scratch = bytes;
    }
    if (!inputs) return scratch;
    bytes = hawq_twin_bytes(a->graph, threads) -
            unused_bytes(a->graph, threads) + most + scratch +
            (size_t)threads * TILES;
    if (!any_needs(a, HAWQ_NEEDS_CURVATURE)) return bytes;
    size_t before = hawq_engine_measure(a->graph, threads, 1).total;
    return (before > bytes ? before : bytes) +
           hawq_curvature_bytes(a->graph, threads);
}

/* --- storing --------------------------------------------------------------
 */

static hawq_status put(hawq_analysis *a, int l, int i) {
    const hawq_rounded   *r = &a->rounded[l * a->n_candidates + i];
    const hawq_candidate *c = &a->candidate[i];
    hawq_quantized_record row = {.layer = l,
                                 .candidate = a->name[i],
                                 .bytes = hawq_quantized_bytes(&r->q),
                                 .stored_bits =
                                     hawq_format_stored_bits(&c->format),
                                 .seconds = r->seconds,
                                 .error_before = r->before,
                                 .error_after = r->after};
    if (needs_inputs(c)) {
        uint8_t *codes;
        HAWQ_TRY(hawq_quantized_save(&r->q, &a->arena, &codes, &row.n_codes));
        row.codes = codes;
    }
    return hawq_store_put_quantized(a->store, a->run, 0, 1, &row);
}

hawq_status hawq_analysis_put_quantized(hawq_analysis *a) {
    for (int l = 0; l < a->graph->n_layers; l++)
        for (int i = 0; i < a->n_candidates; i++) {
            hawq_mark mark = hawq_arena_mark(&a->arena);
            HAWQ_TRY(put(a, l, i));
            hawq_arena_reset(&a->arena, mark);
        }
    return HAWQ_OK;
}
