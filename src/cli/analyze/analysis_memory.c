/* analysis_memory.c -- what an analysis takes, and how it is made to fit.
 *
 * Everything large is taken before the first sweep: the engine, and room in
 * the analysis' arena for the hungriest of its metrics. What there is to
 * choose, in the order it is given up: directions carried at once (lanes),
 * threads, images in a chunk. The first two change no result; the chunk changes
 * how sums round, and is recorded with the samples.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/analyze/analysis_parts.h"

#include "src/base/comm.h"
#include "src/graph/score.h"

#include <stdint.h>
#include <unistd.h>

/* What the float libraries keep, and what each thread that multiplies. */
enum { LIBRARIES = 3 << 20, PER_THREAD = 1 << 20 };

/* Moments of so many bytes of layers are taken in one pass. */
enum { EVIDENCE_MOST = 128 << 20 };

static size_t most(size_t a, size_t b) {
    return a > b ? a : b;
}

/* --- the arena of the analysis ------------------------------------------- */

typedef struct sizes {
    size_t layers, widths, channels, weights, largest; /* largest layer */
    size_t images, per_x, per_z, rows;                 /* of one image */
} sizes;

static sizes size_up(const hawq_analysis *a) {
    const hawq_graph *g = a->graph;
    sizes             s = {.layers = (size_t)g->n_layers,
                           .widths = (size_t)a->n_candidates,
                           .images = a->data.n,
                           .per_x = g->n_row,
                           .per_z = hawq_per_image(g, g->output),
                           .rows = hawq_score_rows(g).rows};
    for (int l = 0; l < g->n_layers; l++) {
        s.channels += g->layer[l].channels;
        s.weights += g->layer[l].weight->n;
        s.largest = most(s.largest, g->layer[l].weight->n);
    }
    return s;
}

/* Codes of a candidate, with what belongs to them, and its errors per channel
 * and, for products, each. */
static size_t candidate_bytes(const hawq_analysis *a, const sizes *s) {
    size_t each = hawq_analysis_multiplies(a) ? sizeof(real) : 0;
    size_t bytes = s->widths * s->weights * each;
    for (int i = 0; i < a->n_candidates; i++) {
        const hawq_format *f = &a->candidate[i].format;
        size_t             code = hawq_format_is_uncoded(f) ? sizeof(real) : 1;
        size_t own = sizeof(double) + 2 * sizeof(real) + 2 * sizeof(int32_t);
        if (hawq_format_is_fitted(f)) own += (size_t)1 << f->bits;
        bytes += s->weights * code + s->channels * own;
        if (f->group) bytes += s->weights / (size_t)f->group + s->channels;
        bytes += (size_t)(f->outliers * (double)s->weights + 1) * 6;
    }
    return bytes;
}

/* Outputs of the float network and of another, and readings of batches. */
static size_t study_bytes(const hawq_analysis *a, const sizes *s) {
    size_t n = hawq_analysis_images(a);
    size_t bytes = 2 * n * s->per_z * sizeof(real) + 3 * n * sizeof(double);
    if (a->loss == HAWQ_SELF_DISTILLATION)
        bytes += s->images * s->per_z * sizeof(real);
    return bytes + 2 * s->largest * sizeof(real);
}

/* Of a store's list, which doubles as it grows. */
static size_t list_bytes(size_t n, size_t each) {
    return 4 * n * each;
}

static size_t sampling_bytes(const hawq_analysis *a, const sizes *s) {
    size_t batch = (size_t)a->batch_size, kinds = 1 + s->widths;
    size_t samples = (size_t)hawq_analysis_most_samples(a);
    size_t stored = kinds * s->layers; /* numbers of a sample */
    size_t bytes =
        s->images * sizeof(uint32_t) +
        batch * ((s->per_x + s->per_z) * sizeof(real) + 8 * s->rows) +
        s->weights * (sizeof(real) + 2 * sizeof(double)) +
        4 * s->channels * sizeof(double) +
        stored * (samples + (size_t)hawq_comm_size()) * 8 +
        2 * stored * sizeof(hawq_sample_record);
    if (a->resume)
        bytes +=
            kinds * list_bytes(samples * s->layers, sizeof(hawq_sample_record));
    return hawq_analysis_samples(a) ? bytes : 0;
}

/* One layer's weights, or its products; all layers' if they interact. */
static size_t layer_bytes(const hawq_analysis *a, const sizes *s) {
    bool   cross = hawq_analysis_pairs(a);
    size_t each = (cross ? s->weights : s->largest) * sizeof(double);
    size_t batches = hawq_analysis_images(a);
    size_t bytes = each * (s->widths + 1) + s->widths * batches * 8;
    if (cross)
        bytes += each * s->widths + s->layers * s->widths * s->widths *
                                        sizeof(hawq_interaction_record);
    bytes = hawq_analysis_multiplies(a) ? bytes : 0;
    bytes = most(bytes, s->largest * sizeof(real));
    size_t rows = s->layers * s->widths;
    return bytes +
           HAWQ_METRICS *
               list_bytes(rows, 2 * sizeof(hawq_sensitivity_record) + 64);
}

/* The basis of Lanczos on a layer, and its vectors. */
static size_t eigen_bytes(const hawq_analysis *a, const sizes *s) {
    bool   wanted = hawq_analysis_needs(a) & HAWQ_FROM_EIGENVALUES;
    size_t steps = HAWQ_EIGEN_STEPS;
    size_t bytes =
        s->largest * ((steps + 1) * sizeof(double) + 2 * sizeof(real)) +
        steps * (steps + 4) * sizeof(double);
    return wanted ? bytes : 0;
}

/* The histogram of every tensor that may be rounded. */
static size_t activation_bytes(const hawq_analysis *a) {
    size_t n = a->activation_bits.n ? (size_t)a->graph->n_tensors : 0;
    return n * (sizeof(hawq_histogram) + 128);
}

/* The gradient is needed while the study starts, the others one by one. */
static size_t arena_bytes(const hawq_analysis *a) {
    enum { SMALL = 1 << 14, EACH = 64, ITEMS = 64 };
    sizes  s = size_up(a);
    size_t stage = s.weights * (2 * sizeof(double) + sizeof(real));
    stage = most(stage, sampling_bytes(a, &s));
    stage = most(stage, layer_bytes(a, &s));
    stage = most(stage, eigen_bytes(a, &s));
    stage = most(stage, hawq_analysis_spectrum_bytes(a, s.weights));
    stage = most(stage, activation_bytes(a));
    return candidate_bytes(a, &s) + study_bytes(a, &s) + stage + SMALL +
           s.layers * (ITEMS + 16 * s.widths) * EACH +
           s.layers * s.layers * 16; /* the selections of the layers */
}

/* --- the whole ------------------------------------------------------------ */

/* The engine for single images has its planes where the other one has them. */
static void add_single(const hawq_analysis *a, hawq_memory *m,
                       hawq_engine_size *e, int threads) {
    hawq_engine_size one = hawq_engine_measure(a->single_graph, threads, 1);
    size_t           reals = one.planes + one.lanes + one.scratch;
    if (reals <= e->planes + e->lanes + e->scratch) one.total -= reals;
    hawq_memory_add(m, "network, for single images",
                    hawq_arena_bytes(&a->single_graph->arena) + one.total);
    if (one.total == SIZE_MAX) e->total = SIZE_MAX;
}

/* The methods' evidence is given back before the engine is there. */
static size_t evidence_bytes(const hawq_analysis *a, int threads,
                             size_t engine) {
    size_t bytes = hawq_analysis_evidence_bytes(a, threads);
    return bytes > engine ? bytes - engine : 0;
}

static hawq_memory predict(const hawq_analysis *a, int threads, int lanes) {
    hawq_memory      m = {0};
    hawq_engine_size e = hawq_engine_measure(a->graph, threads, lanes);
    hawq_memory_add(&m, "program and libraries",
                    a->program_bytes + LIBRARIES +
                        (size_t)threads * PER_THREAD);
    hawq_memory_add(&m, "network", hawq_arena_bytes(&a->graph->arena));
    hawq_memory_add(&m, "images", hawq_arena_bytes(&a->data.arena));
    hawq_memory_add(&m, "planes of all threads", e.planes);
    hawq_memory_add(&m, "results of all lanes", e.lanes);
    hawq_memory_add(&m, "scratch of all threads", e.scratch);
    hawq_memory_add(&m, "tables", e.total - e.planes - e.lanes - e.scratch);
    hawq_memory_add(&m, "quantizing and estimating", arena_bytes(a));
    hawq_memory_add(&m, "evidence for the codes, beyond the planes",
                    evidence_bytes(a, threads, e.total));
    if (a->single_graph) add_single(a, &m, &e, threads);
    if (e.total == SIZE_MAX) m.total = SIZE_MAX;
    return m;
}

/* Does the most that loading took exceed what the smallest run takes? */
static bool is_loading_most(const hawq_analysis *a) {
    return hawq_memory_resident_most() > predict(a, 1, 1).total;
}

static bool fits(const hawq_analysis *a, int threads, int lanes,
                 size_t budget) {
    return predict(a, threads, lanes).total <= budget;
}

static hawq_status reload(hawq_analysis *a, int batch) {
    hawq_graph *graph;
    HAWQ_TRY(hawq_analysis_load_again(a, batch, &graph));
    hawq_graph_free(a->graph);
    a->graph = graph;
    hawq_memory_trim();
    return HAWQ_OK;
}

/* What needs so much: the analysis at its smallest, or what came before it. */
static const char *need_text(hawq_analysis *a) {
    size_t run = predict(a, 1, 1).total, loading = hawq_memory_resident_most();
    size_t need = (most(run, loading) >> 20) + 2; /* MiB, and some air */
    if (is_loading_most(a))
        return hawq_arena_format(&a->arena,
                                 "loading the model and the data alone needs "
                                 "%zuMiB",
                                 need);
    return hawq_arena_format(&a->arena,
                             "with one thread, one direction and %d image%s "
                             "at a time this analysis needs %zuMiB",
                             a->graph->batch, a->graph->batch > 1 ? "s" : "",
                             need);
}

static hawq_status too_small(hawq_analysis *a, bool given, size_t budget) {
    const char *less = is_loading_most(a) ? "smaller files"
                                          : "fewer images or other "
                                            "metrics";
    const char *has = hawq_bytes_text(&a->arena, (double)budget);
    const char *need = need_text(a);
    if (!need) return HAWQ_ENOMEM;
    if (given)
        return hawq_fail(HAWQ_EINVAL,
                         "--memory %s is too small: %s; give at least that, "
                         "or %s",
                         has, need, less);
    return hawq_fail(HAWQ_ENOMEM,
                     "this machine has %s of memory left, and %s; give %s", has,
                     need, less);
}

static void tell(hawq_analysis *a, int wanted) {
    const hawq_memory m = predict(a, a->n_threads, a->lanes);
    const size_t      loading = hawq_memory_resident_most();
    hawq_arena       *arena = &a->cli->arena;
    hawq_memory_print(&m, a->cli);
    a->predicted = most(m.total, loading);
    hawq_cli_detail(a->cli, "memory: predicted at most %s (loading took %s)",
                    hawq_bytes_text(arena, (double)a->predicted),
                    hawq_bytes_text(arena, (double)loading));
    if (a->n_threads < wanted)
        hawq_cli_note(a->cli, "%d thread%s instead of %d, to fit in memory",
                      a->n_threads, a->n_threads > 1 ? "s" : "", wanted);
}

hawq_status hawq_analysis_fit_memory(hawq_analysis *a, size_t available) {
    bool   given = a->memory > 0 && a->memory <= (double)available;
    size_t budget = given ? (size_t)a->memory : available;
    int    wanted = a->cli->threads;
    a->evidence = budget / 8 < EVIDENCE_MOST ? budget / 8 : EVIDENCE_MOST;
    if (wanted == 0) wanted = (int)sysconf(_SC_NPROCESSORS_ONLN);
    hawq_memory_trim(); /* what loading has used and given back */
    while (!fits(a, 1, 1, budget)) {
        if (a->graph->fixed_batch || a->graph->batch == 1)
            return too_small(a, given, budget);
        HAWQ_TRY(reload(a, a->graph->batch / 2));
    }
    a->n_threads = wanted;
    while (!fits(a, a->n_threads, 1, budget)) a->n_threads--;
    a->lanes = hawq_analysis_multiplies(a) ? a->n_candidates : 1;
    while (!fits(a, a->n_threads, a->lanes, budget)) a->lanes--;
    if (hawq_memory_resident_most() > budget)
        return too_small(a, given, budget);
    a->cli->threads = a->n_threads;
    tell(a, wanted);
    return hawq_arena_reserve(&a->arena, arena_bytes(a));
}
