/* quantization.c -- see quantization.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/quantize/quantization.h"

#include "src/base/clock.h"
#include "src/cli/kit/data_options.h"
#include "src/cli/kit/model.h"
#include "src/cli/kit/progress.h"
#include "src/deploy/program.h"
#include "src/quant/choice.h"
#include "src/quant/curvature.h"

#include <string.h>

/* --- preparing ----------------------------------------------------------- */

static hawq_status load(hawq_quantization *q) {
    HAWQ_TRY(hawq_model_load(q->cli, q->model_path, 0, &q->graph));
    if (q->graph->n_layers == 0)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "%s: no layer with constant weights: there is nothing "
                         "to quantize",
                         q->model_path);
    HAWQ_TRY(hawq_model_read(q->model_path, 1, &q->image_graph));
    hawq_graph_take_logits(q->image_graph); /* as hawq_model_load does */
    return hawq_data_load(q->graph, HAWQ_LABELS_IGNORED, &q->data);
}

static hawq_status split(hawq_quantization *q) {
    if (q->data.n < 2)
        return hawq_fail(HAWQ_EINVAL,
                         "the data has %zu images; at least 2 are needed, for "
                         "codes are compared on images they were not chosen by",
                         q->data.n);
    q->n_check = hawq_data_apart(q->data.n, (size_t)q->check);
    q->n_images = q->data.n - q->n_check;
    if (q->n_images > (size_t)q->images) q->n_images = (size_t)q->images;
    if (q->n_images < (size_t)q->images)
        hawq_cli_note(q->cli,
                      "the data has %zu images: %zu to choose codes by, %zu to "
                      "compare on",
                      q->data.n, q->n_images, q->n_check);
    return HAWQ_OK;
}

/* Ranges of activations come from the images that codes are chosen by. */
static hawq_status calibrate(hawq_quantization *q) {
    hawq_batch   batch = {.n = q->n_images, .x = q->data.x};
    hawq_engine *engine;
    HAWQ_TRY(hawq_engine_new(q->image_graph, q->threads, 1,
                             HAWQ_SELF_DISTILLATION, &engine));
    hawq_status status = hawq_calibrate(engine, q->image_graph, &batch,
                                        &q->arena, &q->calibration);
    hawq_engine_free(engine);
    return status;
}

static hawq_status find_allocations(hawq_quantization *q) {
    q->n = q->given ? q->n_given : q->allocations.n;
    HAWQ_TAKE(q->outcome, &q->arena, (size_t)q->n);
    for (int i = 0; i < q->n; i++) {
        hawq_allocation *a = &q->outcome[i].from;
        if (q->given)
            *a = q->given[i];
        else
            HAWQ_TRY(hawq_allocation_find(q->cli, q->store, q->graph,
                                          q->allocations.item[i], -1, &q->arena,
                                          a));
        if (!a->choice)
            return hawq_fail(HAWQ_EINVAL,
                             "--allocation %s: the float network has nothing "
                             "to quantize",
                             a->label);
    }
    return HAWQ_OK;
}

static hawq_status find_choice(const hawq_graph *g, const hawq_allocation *a,
                               hawq_arena *arena, hawq_choice **choice,
                               hawq_candidate **candidate) {
    HAWQ_TAKE(*choice, arena, (size_t)g->n_layers);
    HAWQ_TAKE(*candidate, arena, (size_t)g->n_layers);
    for (int i = 0; i < a->n_choices; i++) {
        int l = hawq_graph_find_layer(g, a->choice[i].layer);
        if (l < 0)
            return hawq_fail(HAWQ_EINVAL,
                             "%s names layer '%s', which the model does not "
                             "have",
                             a->label, a->choice[i].layer);
        (*choice)[l] = a->choice[i];
        HAWQ_TRY(hawq_candidate_of(&a->choice[i], &(*candidate)[l]));
    }
    for (int l = 0; l < g->n_layers; l++)
        if (!(*choice)[l].layer)
            return hawq_fail(HAWQ_EINVAL, "%s has no bits for layer '%s'",
                             a->label, g->layer[l].name);
    return HAWQ_OK;
}

/* As the allocations of the database want it, or --rewrite; awq judges by the
 * candidates of the first allocation. */
static hawq_status rewrite(hawq_quantization *q) {
    const hawq_allocation **a;
    hawq_choice            *choice;
    hawq_candidate         *candidate;
    HAWQ_TAKE(a, &q->arena, (size_t)q->n);
    for (int i = 0; i < q->n; i++) a[i] = &q->outcome[i].from;
    HAWQ_TRY(hawq_rewriting_agree(q->n, a, q->rewrite, &q->rewriting));
    if (!q->rewrite) {
        HAWQ_TRY(hawq_rewriting_apply(&q->rewriting, q->graph));
    } else {
        HAWQ_TRY(find_choice(q->graph, a[0], &q->arena, &choice, &candidate));
        HAWQ_TRY(hawq_rewriting_find(q->cli, q->rewrite, q->graph, q->threads,
                                     q->graph->n_layers, candidate, q->n_images,
                                     q->data.x, &q->arena, &q->rewriting));
    }
    return hawq_rewriting_apply(&q->rewriting, q->image_graph);
}

hawq_status hawq_quantization_prepare(hawq_quantization *q) {
    HAWQ_TRY(load(q));
    HAWQ_TRY(split(q));
    HAWQ_TRY(hawq_store_open(q->cli->db, HAWQ_STORE_WRITE, &q->store));
    HAWQ_TRY(find_allocations(q));
    HAWQ_TRY(hawq_threads_new(q->cli->threads, &q->threads));
    HAWQ_TRY(rewrite(q));
    HAWQ_TRY(hawq_twin_new(q->graph, q->threads, &q->twin));
    return calibrate(q);
}

/* --- the activations of the program --------------------------------------- */

static void round_values(const void *map, real *x, size_t n) {
    hawq_affine_round(map, x, n);
}

/* The graph of one image and that of many are built alike, tensor by tensor. */
static const hawq_tensor *same_tensor(const hawq_graph  *g,
                                      const hawq_tensor *t) {
    if (t->id < g->n_tensors && !strcmp(g->tensor[t->id]->name, t->name))
        return g->tensor[t->id];
    return hawq_graph_find(g, t->name);
}

/* The maps that a program of this allocation has, as roundings of the tensors
 * of the twin's graph; in the arena. */
static hawq_status find_rounding(hawq_quantization *q, const hawq_outcome *o,
                                 hawq_arena *arena, hawq_rounding **out) {
    hawq_lower_options options = {.n_choices = o->from.n_choices,
                                  .choice = o->from.choice,
                                  .activation_range =
                                      (hawq_range)q->activation_range,
                                  .places_only = true};
    hawq_program      *p;
    HAWQ_TAKE(*out, arena, (size_t)q->graph->n_tensors);
    hawq_affine *map =
        hawq_arena_take(arena, (size_t)q->graph->n_tensors, sizeof *map);
    if (!map) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_program_lower(q->image_graph, &q->calibration, &options, &p));
    for (int i = 0; i < q->graph->n_tensors; i++) {
        const hawq_tensor *t = same_tensor(q->image_graph, q->graph->tensor[i]);
        if (!t || !p->has_map[t->id]) continue;
        map[i] = p->map[t->id];
        (*out)[i] = (hawq_rounding){round_values, &map[i]};
    }
    hawq_program_free(p);
    return HAWQ_OK;
}

/* --- codes ---------------------------------------------------------------- */

/* Codes of a layer by itself, where none are stored. */
static hawq_status quantize_layer(hawq_quantization *q, int l,
                                  const hawq_candidate *candidate,
                                  hawq_quantized       *out) {
    hawq_arena   scratch = {0};
    hawq_moments m = {0};
    hawq_status  status =
        hawq_moments_collect(q->twin, q->graph, q->threads, l, 1, q->n_images,
                             q->data.x, false, &scratch, &m);
    if (q->curvature) m.curvature = q->curvature[l];
    hawq_candidate how = hawq_candidate_possible(candidate, &m);
    if (status == HAWQ_OK)
        status = hawq_quantize(&q->graph->layer[l], &how, m.cols ? &m : NULL,
                               NULL, q->threads, &q->arena, out);
    hawq_arena_free(&scratch);
    return status;
}

/* Once, if any layer's method looks at it. */
static hawq_status find_curvature(hawq_quantization    *q,
                                  const hawq_candidate *candidate) {
    bool wanted = false;
    for (int l = 0; l < q->graph->n_layers; l++)
        wanted |= candidate[l].method->needs == HAWQ_NEEDS_CURVATURE;
    if (!wanted || q->curvature) return HAWQ_OK;
    HAWQ_TAKE(q->curvature, &q->arena, (size_t)q->graph->n_layers);
    return hawq_curvature_find(q->graph, q->threads, q->n_images, q->data.x,
                               q->cli->seed, &q->arena, q->curvature);
}

/* What the database has of the allocation, or of the analysis it was searched
 * in, is taken as it is; the rest is chosen here. */
static hawq_status quantize_alone(hawq_quantization *q, hawq_outcome *o,
                                  const hawq_candidate *candidate) {
    bool missing = false;
    HAWQ_TRY(hawq_allocation_codes(q->store, q->graph, &o->from, q->threads,
                                   &q->arena, &missing, &o->quantized));
    for (int l = 0; missing && l < q->graph->n_layers; l++)
        if (!o->quantized[l].rows)
            HAWQ_TRY(quantize_layer(q, l, &candidate[l], &o->quantized[l]));
    return HAWQ_OK;
}

static void diverge(hawq_quantization *q, hawq_divergence *out) {
    size_t one = q->graph->n_row;
    hawq_twin_diverge(q->twin, q->graph, q->n_check,
                      q->data.x + (q->data.n - q->n_check) * one, out);
}

static void say_progress(void *self, int layer) {
    hawq_progress_update(self, layer, NULL);
}

/* What refinement made is no longer what the candidate's own method would. */
static hawq_status rename_refined(hawq_quantization *q, hawq_outcome *o,
                                  hawq_candidate *candidate) {
    for (int l = 0; l < q->graph->n_layers; l++) {
        char text[HAWQ_CANDIDATE_TEXT];
        if (hawq_format_is_uncoded(&candidate[l].format)) continue;
        if (candidate[l].method->needs == HAWQ_NEEDS_CURVATURE) continue;
        HAWQ_TRY(hawq_method_find("coordinate", &candidate[l].method));
        o->choice[l].candidate = hawq_arena_string(
            &q->arena, hawq_candidate_text(&candidate[l], text));
        if (!o->choice[l].candidate) return HAWQ_ENOMEM;
    }
    return HAWQ_OK;
}

static hawq_status refine(hawq_quantization *q, hawq_outcome *o,
                          hawq_candidate *candidate) {
    hawq_progress p;
    hawq_refine   r = {.graph = q->graph,
                       .threads = q->threads,
                       .twin = q->twin,
                       .candidate = candidate,
                       .curvature = q->curvature,
                       .n = q->n_images,
                       .x = q->data.x,
                       .arena = &q->arena,
                       .progress = say_progress,
                       .self = &p};
    hawq_progress_begin(&p, q->cli->quiet, "refining", q->graph->n_layers,
                        "layers");
    hawq_status status = hawq_refine_run(&r, o->quantized);
    hawq_progress_end(&p);
    HAWQ_TRY(status);
    return rename_refined(q, o, candidate);
}

/* Bytes of the file's weights, mean bits as stored, and BOPS = sum of weight
 * bits
 * * activation bits * multiply-accumulates. */
static void count(const hawq_graph *g, hawq_outcome *o) {
    double params = 0, bits = 0, bops = 0;
    o->weight_bytes = hawq_graph_rest_bytes(g);
    for (int l = 0; l < g->n_layers; l++) {
        double n = (double)g->layer[l].weight->n;
        double stored = hawq_format_stored_bits(&o->quantized[l].format);
        o->weight_bytes += hawq_quantized_bytes(&o->quantized[l]);
        params += n;
        bits += n * stored;
        bops +=
            stored * o->choice[l].activation_bits * (double)g->layer[l].macs;
    }
    o->mean_bits = bits / params;
    o->bops = (int64_t)bops;
}

/* Codes are chosen on the float network's own inputs; the comparison, and the
 * refinement, see activations rounded as the integer program rounds them. */
static hawq_status make(hawq_quantization *q, hawq_outcome *o,
                        hawq_arena *scratch) {
    hawq_rounding  *rounding;
    hawq_candidate *candidate;
    double          start = hawq_clock_now();
    HAWQ_TRY(
        find_choice(q->graph, &o->from, &q->arena, &o->choice, &candidate));
    HAWQ_TRY(find_rounding(q, o, scratch, &rounding));
    HAWQ_TRY(find_curvature(q, candidate));
    hawq_twin_round(q->twin, NULL);
    HAWQ_TRY(quantize_alone(q, o, candidate));
    for (int l = 0; l < q->graph->n_layers; l++)
        HAWQ_TRY(hawq_twin_put(q->twin, l, &o->quantized[l]));
    hawq_twin_round(q->twin, rounding);
    diverge(q, &o->alone);
    if (q->refine) {
        HAWQ_TRY(refine(q, o, candidate));
        diverge(q, &o->refined);
    }
    hawq_twin_round(q->twin, NULL);
    o->seconds = hawq_clock_now() - start;
    count(q->graph, o);
    return HAWQ_OK;
}

const hawq_divergence *hawq_outcome_divergence(const hawq_outcome *o) {
    return o->refined.rows ? &o->refined : &o->alone;
}

static double kl_of(const hawq_outcome *o) {
    return hawq_outcome_divergence(o)->kl;
}

hawq_status hawq_quantization_measure(hawq_quantization *q) {
    for (int i = 0; i < q->n; i++) {
        hawq_arena  scratch = {0};
        hawq_status status = make(q, &q->outcome[i], &scratch);
        hawq_arena_free(&scratch);
        if (status != HAWQ_OK)
            return hawq_prefix("%s: ", q->outcome[i].from.label);
        if (kl_of(&q->outcome[i]) < kl_of(&q->outcome[q->best])) q->best = i;
    }
    return HAWQ_OK;
}

hawq_status hawq_quantization_run(hawq_quantization *q) {
    HAWQ_TRY(hawq_quantization_measure(q));
    HAWQ_TRY(hawq_quantization_store(q));
    return hawq_quantization_leave(q);
}

void hawq_quantization_close(hawq_quantization *q) {
    hawq_twin_free(q->twin);
    hawq_threads_free(q->threads);
    hawq_graph_free(q->image_graph);
    hawq_graph_free(q->graph);
    hawq_dataset_free(&q->data);
    hawq_store_close(q->store);
    hawq_arena_free(&q->arena);
}
