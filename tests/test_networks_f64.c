/* test_networks_f64.c -- the families of networks that people train, exported
 * by torch in both of its ways (tests/peers/make_network_fixtures.py), in
 * double.
 *
 * Claims, for each: the logits are onnxruntime's; with respect to every number
 * of the file that has a derivative (weights, biases, scales, slopes,
 * embeddings) the gradient is the central difference of the loss, H v that of
 * the gradient; <u, H v> = <v, H u>; v'G v >= 0 for the Gauss-Newton matrix G,
 * which is H where the target is the network's own output.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/graph/sweep.h"
#include "src/load/dataset.h"
#include "src/load/onnx.h"
#include "tests/check.h"

#include <unistd.h>

enum { BATCH = 2, PROBES = 4, MOST_OUTPUTS = 64 };

static const char *const families[] = {"residual",  "mobile", "dense",
                                       "inception", "unet",   "vit",
                                       "bert",      "gpt",    "encoder"};

/* Recurrent ones, and what is written out like them; by
 * tests/peers/make_recurrent_fixtures.py. With the names of their layers. */
static const struct {
    const char *name, *layers;
} recurrent[] = {
    {"lstm", "rnn.W rnn.R fc"},
    {"bilstm", "bi.W bi.R bi.W_reverse bi.R_reverse fc"},
    {"clipped", "clipped.W clipped.R fc"},
    {"gru", "rnn.0.W rnn.0.R rnn.1.W rnn.1.R fc"},
    {"gru_reverse", "gru.W gru.R_zr gru.R_h fc"},
    {"rnn", "rnn.W rnn.R rnn.W_reverse rnn.R_reverse fc"},
    {"control", "V0 U V fc"},
    {"guarded", "q k fc"},
};

typedef struct network {
    const char    *name;
    hawq_arena     arena;
    hawq_dataset   data;
    hawq_graph    *graph;
    hawq_threads  *threads;
    hawq_engine   *engine;
    hawq_selection all;
    size_t         n; /* numbers */
    hawq_batch     batch;
    int64_t        label[8];
} network;

/* --- opening ------------------------------------------------------------- */

/* Constants that an operator reads without differentiating by them, and
 * exponents: a negative number has no power near 2 but 2. */
static bool plain_number(const hawq_node *node, int input) {
    const char *op = node->op->name;
    return (strcmp(op, "BatchNormalization") == 0 && input > 0) ||
           (strcmp(op, "Clip") == 0 && input > 0) ||
           (strcmp(op, "Resize") == 0 && input > 0) ||
           (strcmp(op, "Pow") == 0 && input > 0);
}

static void select_all(network *n) {
    hawq_graph *g = n->graph;
    size_t      most = (size_t)g->n_tensors;
    n->all.tensor = hawq_arena_take(&n->arena, most, sizeof *n->all.tensor);
    n->all.offset = hawq_arena_take(&n->arena, most + 1, sizeof(size_t));
    if (!n->all.tensor || !n->all.offset) abort();
    for (int i = 0; i < g->n_tensors; i++) {
        hawq_tensor *t = g->tensor[i];
        bool         free = t->role == HAWQ_CONSTANT && t->data;
        for (int k = 0; k < g->n_nodes; k++)
            for (int j = 0; j < g->node[k]->n_in; j++)
                if (g->node[k]->in[j] == t && plain_number(g->node[k], j))
                    free = false;
        if (!free) continue;
        n->all.tensor[n->all.n] = t;
        n->all.offset[n->all.n + 1] = n->all.offset[n->all.n] + t->n;
        n->all.n++;
    }
    n->n = hawq_selection_total(&n->all);
}

static bool network_open(network *n, const char *name, const char *suffix) {
    char        path[1024];
    const char *source = getenv("HAWQ_SOURCE");
    *n = (network){.name = name};
    snprintf(path, sizeof path, "%s/tests/data/networks/%s%s.npz",
             source ? source : ".", name, suffix);
    if (!CHECK_OK(hawq_dataset_load(path, NULL, &n->data))) return false;
    memcpy(path + strlen(path) - 3, "onnx", 5);
    if (!CHECK_OK(hawq_onnx_load(path, BATCH, &n->graph)) ||
        !CHECK_OK(hawq_threads_new(2, &n->threads)))
        return false;
    select_all(n);
    for (size_t i = 0; i < 8; i++) n->label[i] = (int64_t)(i + 1) % 4;
    n->batch = (hawq_batch){n->data.n, n->data.x, n->label, NULL};
    return CHECK(n->data.n <= 8 && n->n > 30);
}

static void network_close(network *n) {
    hawq_engine_free(n->engine);
    hawq_threads_free(n->threads);
    hawq_graph_free(n->graph);
    hawq_dataset_free(&n->data);
    hawq_arena_free(&n->arena);
}

static bool use_loss(network *n, hawq_loss loss) {
    hawq_engine_free(n->engine);
    n->engine = NULL;
    return CHECK_OK(hawq_engine_new(n->graph, n->threads, 3, loss, &n->engine));
}

/* --- vectors over all numbers -------------------------------------------- */

static double *take(size_t n) {
    double *v = calloc(n, sizeof *v);
    if (!v) abort();
    return v;
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double largest(const double *a, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(a[i]));
    return most;
}

/* all numbers += t v */
static void step(network *n, const double *v, double t) {
    for (int k = 0; k < n->all.n; k++)
        for (size_t i = 0; i < n->all.tensor[k]->n; i++)
            n->all.tensor[k]->data[i] += t * v[n->all.offset[k] + i];
}

static double *probes(const network *n) {
    double *v = take(PROBES * n->n);
    for (size_t i = 0; i < PROBES * n->n; i++) v[i] = hawq_rng_normal(11, i);
    return v;
}

static void products(network *n, hawq_curvature kind, const double *v,
                     double *hv) {
    hawq_engine_products(n->engine, &n->batch, kind, PROBES, &n->all, v,
                         &n->all, hv, NULL);
}

/* --- claims -------------------------------------------------------------- */

static void logits(network *n) {
    double  y[MOST_OUTPUTS];
    size_t  count = n->data.n * hawq_per_image(n->graph, n->graph->output);
    double *want = n->data.targets;
    if (!CHECK(count <= MOST_OUTPUTS && want)) return;
    hawq_engine_forward(n->engine, &n->batch, y, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        if (!CHECK_NEAR(y[i], want[i], 1e-5 * fmax(1, fabs(want[i]))))
            printf("    %s: logit %zu\n", n->name, i);
}

static void differences(network *n) {
    const double h = 1e-5;
    double      *v = probes(n), *hv = take(PROBES * n->n), up, down;
    double      *gup = take(n->n), *gdown = take(n->n), *g = take(n->n);
    products(n, HAWQ_HESSIAN, v, hv);
    hawq_engine_gradient(n->engine, &n->batch, &n->all, g, NULL, NULL);
    for (int k = 0; k < 2; k++) {
        const double *vk = v + (size_t)k * n->n, *hvk = hv + (size_t)k * n->n;
        step(n, vk, h);
        hawq_engine_gradient(n->engine, &n->batch, &n->all, gup, &up, NULL);
        step(n, vk, -2 * h);
        hawq_engine_gradient(n->engine, &n->batch, &n->all, gdown, &down, NULL);
        step(n, vk, h);
        for (size_t i = 0; i < n->n; i++)
            gup[i] = (gup[i] - gdown[i]) / (2 * h) - hvk[i];
        double slope = dot(g, vk, n->n);
        if (!CHECK_NEAR((up - down) / (2 * h), slope,
                        1e-6 * fmax(1, fabs(slope))) ||
            !CHECK_NEAR(largest(gup, n->n), 0, 1e-6 * largest(hvk, n->n)))
            printf("    %s: direction %d, largest of H v %g\n", n->name, k,
                   largest(hvk, n->n));
    }
    CHECK(largest(hv, n->n) > 1e-3);
    free(v);
    free(hv);
    free(gup);
    free(gdown);
    free(g);
}

static void symmetry(network *n) {
    double *v = probes(n), *hv = take(PROBES * n->n);
    double *gv = take(PROBES * n->n);
    products(n, HAWQ_HESSIAN, v, hv);
    products(n, HAWQ_GAUSS_NEWTON, v, gv);
    for (size_t a = 0; a < PROBES; a++) {
        const double *u = v + a * n->n;
        double        own = dot(u, gv + a * n->n, n->n);
        if (!CHECK(own > 0)) printf("    %s: v'G v = %g\n", n->name, own);
        for (size_t b = 0; b < a; b++) {
            const double *w = v + b * n->n;
            double        left = dot(u, hv + b * n->n, n->n);
            double        right = dot(w, hv + a * n->n, n->n);
            double        scale =
                sqrt(dot(hv + a * n->n, hv + a * n->n, n->n) * dot(w, w, n->n));
            if (!CHECK_NEAR(left, right, 1e-11 * scale) ||
                !CHECK_NEAR(dot(u, gv + b * n->n, n->n),
                            dot(w, gv + a * n->n, n->n), 1e-11 * scale))
                printf("    %s: probes %zu, %zu\n", n->name, a, b);
        }
    }
    free(v);
    free(hv);
    free(gv);
}

/* At the network's own output dL/dz = 0, so that H is G. */
static void gauss_newton(network *n) {
    double  target[MOST_OUTPUTS];
    double *v = probes(n), *hv = take(PROBES * n->n);
    double *gv = take(PROBES * n->n);
    hawq_engine_forward(n->engine, &n->batch, target, NULL, NULL);
    n->batch.targets = target;
    products(n, HAWQ_HESSIAN, v, hv);
    products(n, HAWQ_GAUSS_NEWTON, v, gv);
    double scale = largest(gv, PROBES * n->n);
    for (size_t i = 0; i < PROBES * n->n; i++) hv[i] -= gv[i];
    if (!CHECK_NEAR(largest(hv, PROBES * n->n), 0, 1e-11 * scale) ||
        !CHECK(scale > 1e-3))
        printf("    %s: largest of G v %g\n", n->name, scale);
    n->batch.targets = NULL;
    free(v);
    free(hv);
    free(gv);
}

static void check(const char *name, const char *suffix) {
    network n;
    if (network_open(&n, name, suffix)) {
        printf("%s%s: %d nodes, %d layers, %zu numbers\n", name, suffix,
               n.graph->n_nodes, n.graph->n_layers, n.n);
        if (use_loss(&n, HAWQ_CROSS_ENTROPY)) {
            logits(&n);
            differences(&n);
            symmetry(&n);
        }
        if (use_loss(&n, HAWQ_SELF_DISTILLATION)) gauss_newton(&n);
    }
    network_close(&n);
}

static void check_names(const network *n, const char *want) {
    char got[256] = "";
    for (int i = 0; n->graph && i < n->graph->n_layers; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s",
                 i ? " " : "", n->graph->layer[i].name);
    if (!CHECK(strcmp(got, want) == 0))
        printf("    %s: layers '%s', expected '%s'\n", n->name, got, want);
}

/* Each matrix is one layer, however many steps read it, and nothing guards a
 * Softmax that cannot fail. The file that is written says the same, for
 * another number of images. */
static void check_layers(const char *name, const char *want) {
    network n;
    char    path[] = "/tmp/hawq_networks_XXXXXX";
    int     fd = mkstemp(path);
    if (CHECK(fd >= 0)) close(fd);
    if (network_open(&n, name, "")) {
        check_names(&n, want);
        for (int i = 0; i < n.graph->n_nodes; i++)
            CHECK(strcmp(n.graph->node[i]->op->name, "IsNaN") != 0);
        CHECK_OK(hawq_onnx_save(path, n.graph, "test"));
        hawq_graph_free(n.graph);
        n.graph = NULL;
        if (CHECK_OK(hawq_onnx_load(path, BATCH + 1, &n.graph)) &&
            use_loss(&n, HAWQ_CROSS_ENTROPY)) {
            check_names(&n, want);
            logits(&n);
        }
    }
    unlink(path);
    network_close(&n);
}

int main(void) {
    for (size_t i = 0; i < sizeof recurrent / sizeof *recurrent; i++) {
        check(recurrent[i].name, "");
        check_layers(recurrent[i].name, recurrent[i].layers);
    }
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        check(families[i], "");
        check(families[i], "_script");
    }
    DONE();
}
