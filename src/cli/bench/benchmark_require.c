/* benchmark_require.c -- see benchmark_require.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark_require.h"

#include "src/cli/kit/data_options.h"

#include <math.h>
#include <string.h>

/* --- figures ------------------------------------------------------------- */

typedef double figure_of(const hawq_benchmark_record *r);

static double accuracy(const hawq_benchmark_record *r) {
    return r->accuracy;
}

static double accuracy_drop(const hawq_benchmark_record *r) {
    return r->float_accuracy - r->accuracy;
}

static double agreement(const hawq_benchmark_record *r) {
    return r->agreement;
}

static double loss(const hawq_benchmark_record *r) {
    return r->loss;
}

static double weight_size(const hawq_benchmark_record *r) {
    return (double)r->weight_bytes;
}

static double file_size(const hawq_benchmark_record *r) {
    return (double)r->file_bytes;
}

static double latency(const hawq_benchmark_record *r) {
    return r->latency_us;
}

static double speedup_vs_float(const hawq_benchmark_record *r) {
    return r->speedup_vs_float;
}

static double speedup_vs_uniform8(const hawq_benchmark_record *r) {
    return r->speedup_vs_uniform8;
}

/* Bytes and times of the uniform 8-bit network are known in every run, what its
 * outputs are worth only where it was asked for. */
static const struct hawq_figure {
    const char *kind;
    figure_of  *of;
    unsigned    units;
    enum { PLAIN, OF_BASELINE, OF_ANY } multiple; /* what x may stand for */
    bool more_is_better;
} figures[] = {
    {"accuracy", accuracy, HAWQ_UNIT_NONE, OF_BASELINE, true},
    {"accuracy-drop", accuracy_drop, HAWQ_UNIT_NONE, PLAIN, false},
    {"agreement", agreement, HAWQ_UNIT_NONE, PLAIN, true},
    {"loss", loss, HAWQ_UNIT_NONE, OF_BASELINE, false},
    {"weight-size", weight_size, HAWQ_UNIT_BYTES, OF_ANY, false},
    {"file-size", file_size, HAWQ_UNIT_BYTES, OF_ANY, false},
    {"latency", latency, HAWQ_UNIT_TIME, OF_ANY, false},
    /* themselves multiples: "2x" and "2" are the same */
    {"speedup-vs-float", speedup_vs_float, HAWQ_UNIT_NONE | HAWQ_UNIT_MULTIPLE,
     PLAIN, true},
    {"speedup-vs-uniform8", speedup_vs_uniform8,
     HAWQ_UNIT_NONE | HAWQ_UNIT_MULTIPLE, PLAIN, true},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static const char *figure_text(hawq_arena *arena, const struct hawq_figure *f,
                               double value) {
    if (f->units == HAWQ_UNIT_BYTES) return hawq_bytes_text(arena, value);
    const char *text = hawq_arena_format(
        arena, f->units == HAWQ_UNIT_TIME ? "%.4g us" : "%.4g", value);
    return text ? text : "";
}

/* --- reading ------------------------------------------------------------ */

static const char *trimmed(hawq_arena *arena, const char *text, size_t n) {
    while (n && *text == ' ') {
        text++;
        n--;
    }
    while (n && text[n - 1] == ' ') n--;
    return hawq_arena_string_n(arena, text, n);
}

static hawq_status find_figure(const char *kind, hawq_requirement *out) {
    const char *names[FIGURES];
    for (int i = 0; i < FIGURES; i++) {
        names[i] = figures[i].kind;
        if (!strcmp(kind, figures[i].kind)) out->figure = &figures[i];
    }
    if (out->figure) return HAWQ_OK;
    const char *near = hawq_nearest(kind, FIGURES, names);
    if (near)
        return hawq_fail(HAWQ_EINVAL,
                         "--require: unknown '%s'; did you mean '%s'?", kind,
                         near);
    return hawq_fail(HAWQ_EINVAL,
                     "--require: unknown '%s'; what can be required is "
                     "accuracy, accuracy-drop, agreement, loss, weight-size, "
                     "file-size, latency, speedup-vs-float and "
                     "speedup-vs-uniform8",
                     kind);
}

/* KIND<=VALUE or KIND>=VALUE, blanks around each. */
static hawq_status read_requirement(hawq_cli *cli, const char *text,
                                    bool baseline, hawq_requirement *out) {
    const char *op = strpbrk(text, "<>");
    *out = (hawq_requirement){.text = text, .at_most = op && *op == '<'};
    if (!op || op == text || op[1] != '=' || !op[2])
        return hawq_fail(HAWQ_EINVAL,
                         "--require: '%s' is not of the form KIND<=VALUE or "
                         "KIND>=VALUE",
                         text);
    const char *kind = trimmed(&cli->arena, text, (size_t)(op - text));
    const char *value = trimmed(&cli->arena, op + 2, strlen(op + 2));
    const char *what =
        hawq_arena_format(&cli->arena, "--require %s", kind ? kind : "");
    if (!kind || !value || !what) return HAWQ_ENOMEM;
    HAWQ_TRY(find_figure(kind, out));
    const struct hawq_figure *f = out->figure;
    bool                      multiple =
        f->multiple == OF_ANY || (f->multiple == OF_BASELINE && baseline);
    HAWQ_TRY(hawq_parse_quantity(what, value,
                                 f->units | (multiple ? HAWQ_UNIT_MULTIPLE : 0),
                                 &out->limit));
    if (out->at_most == f->more_is_better)
        hawq_cli_note(cli,
                      "--require '%s': %s is better the %s it is; was %s "
                      "meant?",
                      text, kind, f->more_is_better ? "larger" : "smaller",
                      out->at_most ? ">=" : "<=");
    return HAWQ_OK;
}

static hawq_status load_baseline(hawq_cli *cli, int64_t id, hawq_gate *gate) {
    hawq_store *store;
    int64_t     run;
    HAWQ_TRY(hawq_store_open(cli->db, HAWQ_STORE_READ, &store));
    hawq_status status =
        hawq_store_load_benchmark(store, id, &cli->arena, &run, &gate->earlier);
    if (status == HAWQ_OK)
        status = hawq_store_load_run(store, run, &cli->arena, &gate->run);
    hawq_store_close(store);
    gate->baseline = id;
    return status == HAWQ_OK ? status : hawq_prefix("--baseline: ");
}

hawq_status hawq_gate_open(hawq_cli *cli, const hawq_texts *requirements,
                           int baseline, hawq_gate *out) {
    *out = (hawq_gate){0};
    HAWQ_TAKE(out->requirement, &cli->arena, (size_t)requirements->n);
    for (; out->n < requirements->n; out->n++)
        HAWQ_TRY(read_requirement(cli, requirements->item[out->n], baseline,
                                  &out->requirement[out->n]));
    return baseline ? load_baseline(cli, baseline, out) : HAWQ_OK;
}

/* --- what else differs -------------------------------------------------- */

hawq_status hawq_gate_compare(const hawq_gate *gate, const hawq_benchmark *b) {
    const hawq_benchmark_record *e = &gate->earlier;
    hawq_run_record              now;
    char                         hash[HAWQ_HASH_TEXT];
    hawq_listing                 differs = {.arena = &b->cli->arena};
    if (!gate->baseline) return HAWQ_OK;
    if (e->batch_size != b->batch_size)
        return hawq_fail(HAWQ_EINVAL,
                         "--baseline: benchmark %lld was timed in batches of "
                         "%d, this one in batches of %d; --batch-size %d makes "
                         "them alike",
                         (long long)gate->baseline, e->batch_size,
                         b->batch_size, e->batch_size);
    hawq_graph_hash(b->graph, hash);
    hawq_cli_record(b->cli, &now);
    const char *data = hawq_data_text(&b->cli->arena);
    if (!data) return HAWQ_ENOMEM;
    if (strcmp(gate->run.model_hash, hash)) hawq_listing_add(&differs, "model");
    if (strcmp(gate->run.data, data)) hawq_listing_add(&differs, "data");
    if (strcmp(gate->run.host, now.host)) hawq_listing_add(&differs, "machine");
    if (strcmp(e->device, b->device) && strcmp(e->label, "float32"))
        hawq_listing_add(&differs, "device");
    else if (strcmp(e->kernels, b->table->name) && strcmp(e->label, "float32"))
        hawq_listing_add(&differs, "kernels");
    if (e->threads != hawq_threads_count(b->timing_threads))
        hawq_listing_add(&differs, "number of threads");
    if (differs.n)
        hawq_cli_note(b->cli, "benchmark %lld, the baseline, had another: %s",
                      (long long)gate->baseline, hawq_listing_text(&differs));
    return HAWQ_OK;
}

/* --- judging ------------------------------------------------------------ */

typedef struct verdict {
    double value, limit;
    bool   met;
} verdict;

/* What x is a multiple of; NULL: nobody measured it. */
static const hawq_benchmark_record *reference(const hawq_gate      *gate,
                                              const hawq_benchmark *b) {
    if (gate->baseline) return &gate->earlier;
    for (int i = 0; i < b->n; i++)
        if (!strcmp(b->contender[i].label, "uniform8"))
            return &b->contender[i].record;
    return NULL;
}

/* A figure or a limit that is not known (NaN) compares false: a miss. Shares of
 * images are quotients, and a drop that is the limit on paper may lie a
 * rounding above it. */
static verdict judge(const hawq_gate *gate, const hawq_benchmark *b,
                     const hawq_contender *c, const hawq_requirement *q) {
    const hawq_benchmark_record *r = reference(gate, b);
    verdict v = {q->figure->of(&c->record), q->limit.value, false};
    if (q->figure->multiple != PLAIN && q->limit.unit == HAWQ_UNIT_MULTIPLE)
        v.limit *= r ? q->figure->of(r) : NAN;
    double rounding = 1e-12 * (1 + fabs(v.limit));
    v.met = q->at_most ? v.value <= v.limit + rounding
                       : v.value >= v.limit - rounding;
    return v;
}

static void say_miss(const hawq_gate *gate, const hawq_benchmark *b,
                     const hawq_contender *c, const hawq_requirement *q,
                     verdict v) {
    hawq_arena *arena = &b->cli->arena;
    const char *off = figure_text(arena, q->figure, fabs(v.value - v.limit));
    const char *is = figure_text(arena, q->figure, v.value);
    if (isnan(v.value))
        hawq_cli_missed(b->cli,
                        "%s misses %s: there is no %s, it could not be "
                        "measured",
                        c->label, q->text, q->figure->kind);
    else if (isnan(v.limit))
        hawq_cli_missed(b->cli,
                        "%s misses %s: %s is %s, and what it would be "
                        "a multiple of was not measured",
                        c->label, q->text, q->figure->kind, is);
    else if (q->limit.unit == HAWQ_UNIT_MULTIPLE &&
             q->figure->multiple != PLAIN)
        hawq_cli_missed(b->cli,
                        "%s misses %s by %s: %s is %s, the limit %s "
                        "(a multiple of %s's)",
                        c->label, q->text, off, q->figure->kind, is,
                        figure_text(arena, q->figure, v.limit),
                        gate->baseline ? "the baseline" : "uniform8");
    else
        hawq_cli_missed(b->cli, "%s misses %s by %s: %s is %s", c->label,
                        q->text, off, q->figure->kind, is);
}

void hawq_gate_judge(const hawq_gate *gate, const hawq_benchmark *b) {
    for (int row = 1; row <= b->n_asked; row++)
        for (int i = 0; i < gate->n; i++) {
            const hawq_contender *c = hawq_benchmark_row(b, row);
            verdict               v = judge(gate, b, c, &gate->requirement[i]);
            if (!v.met) say_miss(gate, b, c, &gate->requirement[i], v);
        }
}

/* --- what is reported
 * --------------------------------------------------------- */

static const struct change {
    const char *key, *title;
    figure_of  *of;
    int         decimals;
    bool        ratio; /* else a difference */
} changes[HAWQ_GATE_COLUMNS] = {
    {"accuracy_change", "accuracy", accuracy, 4, false},
    {"agreement_change", "agreement", agreement, 4, false},
    {"loss_change", "loss", loss, 4, false},
    {"weight_bytes_change", "bytes", weight_size, 0, false},
    {"file_bytes_change", "file bytes", file_size, 0, false},
    {"latency_us_change", "us", latency, 2, false},
    {"latency_ratio", "x time", latency, 3, true},
};

static double change(const hawq_gate *gate, const hawq_contender *c, int i) {
    double now = changes[i].of(&c->record),
           then = changes[i].of(&gate->earlier);
    return changes[i].ratio ? now / then : now - then;
}

void hawq_gate_columns(bool short_names, const char *name[HAWQ_GATE_COLUMNS]) {
    for (int i = 0; i < HAWQ_GATE_COLUMNS; i++)
        name[i] = short_names ? changes[i].title : changes[i].key;
}

void hawq_gate_cells(const hawq_gate *gate, const hawq_contender *c,
                     hawq_table *t) {
    for (int i = 0; i < HAWQ_GATE_COLUMNS; i++)
        hawq_table_fixed(t, change(gate, c, i), changes[i].decimals);
}

static void json_baseline(const hawq_gate *gate, const hawq_contender *c,
                          hawq_json *w) {
    const hawq_benchmark_record *e = &gate->earlier;
    hawq_json_object(w, "baseline");
    hawq_json_integer(w, "benchmark_id", gate->baseline);
    hawq_json_text(w, "allocation", e->label);
    hawq_json_real(w, "accuracy", e->accuracy);
    hawq_json_real(w, "agreement", e->agreement);
    hawq_json_real(w, "loss", e->loss);
    hawq_json_integer(w, "weight_bytes", e->weight_bytes);
    hawq_json_integer(w, "file_bytes", e->file_bytes);
    hawq_json_real(w, "latency_us", e->latency_us);
    for (int i = 0; i < HAWQ_GATE_COLUMNS; i++)
        hawq_json_real(w, changes[i].key, change(gate, c, i));
    hawq_json_end(w);
}

void hawq_gate_json(const hawq_gate *gate, const hawq_benchmark *b,
                    const hawq_contender *c, hawq_json *w) {
    if (gate->baseline) json_baseline(gate, c, w);
    if (!gate->n) return;
    hawq_json_array(w, "requirements");
    for (int i = 0; i < gate->n; i++) {
        const hawq_requirement *q = &gate->requirement[i];
        verdict                 v = judge(gate, b, c, q);
        hawq_json_object(w, NULL);
        hawq_json_text(w, "kind", q->figure->kind);
        hawq_json_text(w, "op", q->at_most ? "<=" : ">=");
        hawq_json_real(w, "limit", v.limit);
        hawq_json_real(w, "value", v.value);
        hawq_json_flag(w, "met", v.met);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}
