/* test_quantized_programs.c -- layers of every format run as integers.
 *
 * Claims: for every format, with groups and with outliers, on convolutions
 * (plain, grouped, depthwise) and products (both layouts), an integer program's
 * outputs equal, bit for bit, those of the formula of quantized.h, evaluated
 * here in 64-bit integers from the object's fields; corrected biases and rows
 * of several per image included. All tables of kernels give the same bits, for
 * one image and for many. Formats without codes, and layers without an integer
 * form, compute with the values that the object stands for. Bytes are those
 * counted by hand.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/deploying.h"

static const char *const names[] = {
    "w8",   "w7",  "w6",  "w5",  "w4",  "w3",  "w2",  "w8f",
    "w7f",  "w6f", "w5f", "w4f", "w3f", "w2f", "w7c", "w6c",
    "w5c",  "w4c", "w3c", "w2c", "w1",  "t",   "nf4", "log4",
    "log3", "k4",  "k3",  "k2",  "k4l", "k3l", "k2l"};
static const char *const suffixes[] = {"", "g8", "+5%", "g8+5%"};

/* The step that computes the first layer. */
static const hawq_step *layer_step(const hawq_program *p) {
    int i = 0;
    while (p->step[i].layer < 0) i++;
    return &p->step[i];
}

/* --- one layer, in every shape ---------------------------------------------
 */

/* What the oracle has to know of a layer: K x K inputs of all channels of its
 * group meet a weight row, or all of a row of a matrix. */
typedef struct shape {
    const char *name;
    int         c, h, w; /* of the input; a matrix: h rows of c */
    int         o, kernel, groups;
    bool        relu;
} shape;

static const shape shapes[] = {
    {"conv", 6, 5, 4, 8, 3, 1, true},   {"conv", 6, 5, 4, 8, 3, 1, false},
    {"conv", 6, 5, 4, 4, 3, 2, true},   {"conv", 16, 4, 4, 16, 3, 16, true},
    {"gemm", 40, 1, 1, 7, 1, 1, false}, {"rows", 24, 3, 1, 20, 1, 1, true},
    {"rows", 24, 3, 1, 20, 1, 1, false}};

static hawq_graph *conv_graph(const shape *s) {
    char        attr[64];
    hawq_graph *g = open_image(s->c, s->h, s->w);
    weight(g, "l.weight", 0.3, 4,
           (int64_t[]){s->o, s->c / s->groups, s->kernel, s->kernel});
    weight(g, "l.bias", 0.3, 1, (int64_t[]){s->o});
    snprintf(attr, sizeof attr, "group=%d pads=1,1,1,1", s->groups);
    node(g, "Conv", "x l.weight l.bias", "l", attr);
    return g;
}

static hawq_graph *product_graph(const shape *s) {
    bool        gemm = !strcmp(s->name, "gemm");
    hawq_graph *g = gemm ? open_graph(2, (int64_t[]){BATCH, s->c})
                         : open_graph(3, (int64_t[]){BATCH, s->h, s->c});
    weight(g, "l.bias", 0.3, 1, (int64_t[]){s->o});
    if (gemm) {
        weight(g, "l.weight", 0.3, 2, (int64_t[]){s->o, s->c});
        node(g, "Gemm", "x l.weight l.bias", "l", "transB=1");
    } else {
        weight(g, "l.weight", 0.3, 2, (int64_t[]){s->c, s->o});
        node(g, "MatMul", "x l.weight", "m", "");
        node(g, "Add", "m l.bias", "l", "");
    }
    return g;
}

static hawq_graph *graph_of(const shape *s) {
    hawq_graph *g = !strcmp(s->name, "conv") ? conv_graph(s) : product_graph(s);
    if (s->relu) node(g, "Relu", "l", "r", "");
    CHECK_OK(hawq_graph_finish(g, s->relu ? "r" : "l"));
    return g;
}

/* q_w + o_w of a weight, from the fields. */
static int64_t integer(const hawq_quantized *q, size_t c, size_t k) {
    const int8_t *level = q->level;
    size_t        code = q->code[c * q->cols + k];
    int64_t       v, m = 1;
    if (q->format.family == HAWQ_FITTED) level += c * (size_t)q->n_levels;
    if (q->multiplier) {
        size_t groups = (q->cols + 7) / 8; /* g8 */
        m = q->multiplier[c * groups + k / 8];
    }
    v = m * level[code];
    if (q->outlier_start)
        for (int i = q->outlier_start[c]; i < q->outlier_start[c + 1]; i++)
            if ((size_t)q->outlier_at[i] == k) v += q->outlier[i];
    return v;
}

/* q_x - z_x of input k at output position p of channel o; 0 in the padding. */
static int64_t input(const shape *s, const uint8_t *x, int zero, int o, int p,
                     int k) {
    if (s->kernel == 1) return x[p * s->c + k] - zero;
    int per = s->c / s->groups, area = s->kernel * s->kernel;
    int c = o / (s->o / s->groups) * per + k / area;
    int y = p / s->w - 1 + k % area / s->kernel;
    int z = p % s->w - 1 + k % s->kernel;
    if (y < 0 || y >= s->h || z < 0 || z >= s->w) return 0;
    return x[(c * s->h + y) * s->w + z] - zero;
}

/* value * M as one multiplication and one shift, half up. */
static int64_t dyadic(int64_t value, double M) {
    int     e;
    int64_t m = (int64_t)floor(frexp(M, &e) * 2147483648.0 + 0.5);
    int     shift = 31 - e;
    return (value * m + ((int64_t)1 << (shift - 1))) >> shift;
}

/* The outputs of one image. */
static void oracle(const fixture *f, const shape *s, const hawq_program *p,
                   const hawq_quantized *q, const float *image, float *out) {
    uint8_t            x[1024];
    const hawq_layer  *l = &f->graph->layer[0];
    hawq_affine        in = p->map[f->graph->input->id];
    hawq_affine        to = p->map[f->graph->output->id];
    const hawq_tensor *bias = hawq_graph_find(f->graph, "l.bias");
    int                pixels = s->h * s->w;
    hawq_kernels_select("ref")->quantize(f->n_in, image, 1 / in.scale, in.zero,
                                         0, in.high, x);
    for (int o = 0; o < s->o; o++) {
        size_t c = (size_t)o;
        double sw = (double)(float)q->scale[c], sx = (double)in.scale;
        double b = (double)(q->bias && l->bias ? q->bias[c] : bias->data[c]);
        for (int i = 0; i < pixels; i++) {
            int64_t acc = (int64_t)rint(b / (sx * sw));
            for (size_t k = 0; k < q->cols; k++)
                acc += integer(q, c, k) * input(s, x, in.zero, o, i, (int)k);
            float *y = out + (s->kernel == 1 ? i * s->o + o : o * pixels + i);
            *y = (float)acc * (float)(sx * sw);
            if (!s->relu) continue;
            int64_t v = to.zero + dyadic(acc, sx * sw / (double)to.scale);
            v = v < 0 ? 0 : v > to.high ? to.high : v;
            *y = (float)(v - to.zero) * to.scale;
        }
    }
}

/* All tables, and one image alone, give the bits that are there. */
static void same_on_all(const fixture *f, const hawq_program *p) {
    size_t n = IMAGES * f->n_out;
    float *same = malloc(n * sizeof *same);
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        hawq_runner *runner = NULL;
        if (!(*k)->usable()) continue;
        if (!CHECK_OK(hawq_runner_new(p, *k, f->threads, &runner))) continue;
        hawq_runner_run(runner, IMAGES, f->x, same);
        CHECK(memcmp(same, f->output, n * sizeof *same) == 0);
        hawq_runner_run(runner, 1, f->x + f->n_in, same);
        CHECK(memcmp(same, f->output + f->n_out, f->n_out * sizeof *same) == 0);
        hawq_runner_free(runner);
    }
    free(same);
}

static void check_layer(fixture *f, const shape *s, const char *name) {
    hawq_quantized *q;
    hawq_program   *p = NULL;
    float           want[512];
    int             differ = 0;
    if (!CHECK_OK(lower_candidate(f, name, true, &q, &p))) {
        printf("%s\n", name);
        return;
    }
    bool apart = strchr(name, '+') != NULL;
    CHECK(p->n_floats == 0 && p->has_map[f->graph->input->id]);
    CHECK((q->outlier_start != NULL) == apart);
    CHECK(layer_step(p)->kind ==
          (s->relu && !apart ? HAWQ_STEP_CONV : HAWQ_STEP_CONV_S32));
    run(f, p, "ref", f->output);
    for (size_t i = 0; i < 3; i++) {
        oracle(f, s, p, q, f->x + i * f->n_in, want);
        for (size_t j = 0; j < f->n_out; j++)
            differ += want[j] != f->output[i * f->n_out + j];
    }
    if (!CHECK(differ == 0)) printf("%s of %s: %d\n", name, s->name, differ);
    same_on_all(f, p);
    hawq_program_free(p);
}

static void every_format_equals_the_formula(void) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        fixture f;
        fixture_open(&f, graph_of(&shapes[i]));
        hawq_mark mark = hawq_arena_mark(&f.arena);
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            for (size_t k = 0; k < sizeof suffixes / sizeof *suffixes; k++) {
                char name[32];
                snprintf(name, sizeof name, "%s%s", names[n], suffixes[k]);
                check_layer(&f, &shapes[i], name);
                hawq_arena_reset(&f.arena, mark);
            }
        fixture_close(&f);
    }
}

/* Buffers live long enough with every kind of step around the layers. */
static void every_format_in_a_network(void) {
    fixture f;
    fixture_open(&f, every_step());
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        hawq_quantized *q;
        hawq_program   *p = NULL;
        char            name[32];
        snprintf(name, sizeof name, "%s%s", names[n], suffixes[n % 4]);
        if (!CHECK_OK(lower_candidate(&f, name, false, &q, &p))) continue;
        run(&f, p, "ref", f.output);
        same_on_all(&f, p);
        if (!strcmp(names[n], "w8")) CHECK(deviation(&f, f.output) < 0.02);
        hawq_program_free(p);
    }
    fixture_close(&f);
}

/* --- kernels' widths -------------------------------------------------------
 */

/* Codes of 2 and 4 bits where one small table serves the layer, else bytes. */
static void levels_choose_the_width(void) {
    static const struct {
        const char *name;
        int         bits;
    } want[] = {{"w2", 2},   {"w2c", 2},  {"w1", 2},     {"t", 2},
                {"k2l", 2},  {"w3", 4},   {"w4f", 4},    {"nf4", 4},
                {"log3", 4}, {"k4l", 4},  {"w2+5%", 2},  {"w5", 8},
                {"k2", 8},   {"w2g8", 8}, {"w4c+5%", 4}, {"w7c", 8}};
    fixture f;
    fixture_open(&f, graph_of(&shapes[0]));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        hawq_quantized *q;
        hawq_program   *p = NULL;
        if (!CHECK_OK(lower_candidate(&f, want[i].name, false, &q, &p)))
            continue;
        const hawq_conv *v = &layer_step(p)->u.weights.shape;
        CHECK(v->weight_bits == want[i].bits);
        for (int k = 1; v->weight_bits < 8 && k < 1 << v->weight_bits; k++)
            CHECK(v->level[k] >= v->level[k - 1]);
        if (v->weight_bits == 8) CHECK(v->largest > 0);
        hawq_program_free(p);
    }
    fixture_close(&f);
}

/* --- bytes -----------------------------------------------------------------
 */

/* 8 rows of 54: 432 weights, 8 scales. */
static void bytes_are_those_counted_by_hand(void) {
    static const struct {
        const char *name;
        int64_t     bytes;
    } want[] = {{"w8", 432 + 32},
                {"w3", 162 + 32},
                {"w2c", 108 + 32},
                {"w1", 54 + 32},
                {"t", 87 + 32},
                {"k3", 162 + 32 + 8 * 8},
                {"k3l", 162 + 32 + 8},
                {"nf4", 216 + 32},
                {"w4g8", 216 + 32 + 8 * 7},
                {"w4+5%", 216 + 32 + 4 * 22 + 2 * 8}};
    hawq_quantized *q;
    fixture         f;
    fixture_open(&f, graph_of(&shapes[1]));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        hawq_program *p = NULL;
        if (!CHECK_OK(lower_candidate(&f, want[i].name, false, &q, &p)))
            continue;
        CHECK(p->weight_bytes == want[i].bytes);
        CHECK(p->weight_bytes == hawq_quantized_bytes(q));
        /* a bias besides; the scales are the outputs' */
        CHECK(p->file_bytes == want[i].bytes + 4 * 8);
        hawq_program_free(p);
    }
    fixture_close(&f);
}

/* --- layers in float -------------------------------------------------------
 */

enum { K = 24 };

/* Two products of one weight, a Gemm that no integer step computes, and one
 * whose rows are columns; of one image, as layers in float are. */
static hawq_graph *float_graph(void) {
    hawq_graph *g = open_graph(2, (int64_t[]){1, K});
    weight(g, "a.weight", 0.2, 2, (int64_t[]){K, K});
    weight(g, "b.weight", 0.2, 2, (int64_t[]){K, 9});
    weight(g, "b.bias", 0.2, 1, (int64_t[]){9});
    weight(g, "c.weight", 0.2, 2, (int64_t[]){9, 9});
    scalar(g, "half", 0.5);
    node(g, "MatMul", "x a.weight", "a", "");
    node(g, "Relu", "a", "r", "");
    node(g, "MatMul", "r a.weight", "a2", "");
    node(g, "Gemm", "a2 b.weight b.bias", "b", "");
    node(g, "Relu", "b", "s", "");
    node(g, "Gemm", "s c.weight", "c", "transB=1");
    CHECK_OK(hawq_graph_finish(g, "c"));
    return g;
}

/* What the graph computes with the objects' weights in place of its own. */
static void outputs_with(fixture *f, const hawq_quantized *q, float *out) {
    for (int l = 0; l < f->graph->n_layers; l++) {
        hawq_layer *layer = &f->graph->layer[l];
        hawq_quantized_decode(&q[l], layer, layer->weight->data);
        for (size_t c = 0; layer->bias && q[l].bias && c < q[l].rows; c++)
            layer->bias->data[c] = q[l].bias[c];
    }
    hawq_quantized *own;
    hawq_program   *p = NULL;
    if (CHECK_OK(lower_candidate(f, "float", false, &own, &p))) {
        for (int i = 0; i < f->graph->n_tensors; i++) CHECK(!p->decoded[i]);
        run(f, p, "ref", out);
    }
    hawq_program_free(p);
}

static void halves_are_what_floats_read(void) {
    fixture         f;
    hawq_quantized *q;
    hawq_program   *p = NULL;
    fixture_open(&f, float_graph());
    int64_t params = K * K + 9 * K + 81;
    if (CHECK_OK(lower_candidate(&f, "f16", true, &q, &p))) {
        CHECK(p->n_floats == 6 && p->weight_bytes == 2 * params);
        CHECK(p->file_bytes == 2 * params + 4 * 9);
        CHECK(p->choice[0].weight_bits == 16 &&
              p->choice[0].activation_bits == 32);
        run(&f, p, "ref", f.output);
        same_on_all(&f, p);
        run(&f, p, "ref", f.float_output);
        outputs_with(&f, q, f.output);
        CHECK(memcmp(f.output, f.float_output,
                     IMAGES * f.n_out * sizeof *f.output) == 0);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* A layer that integers cannot have keeps its codes: only its arithmetic is
 * float's. beta = 2 is such a layer's. */
static void codes_are_decoded_for_floats(void) {
    fixture         f;
    hawq_quantized *q;
    hawq_program   *p = NULL;
    hawq_graph     *g = open_graph(2, (int64_t[]){1, K});
    weight(g, "a.weight", 0.2, 2, (int64_t[]){9, K});
    weight(g, "a.bias", 0.2, 1, (int64_t[]){9});
    node(g, "Gemm", "x a.weight a.bias", "a", "transA=0 transB=1 beta=2");
    CHECK_OK(hawq_graph_finish(g, "a"));
    for (int i = 0; i < g->node[0]->n_attr; i++) {
        hawq_attr *attr = (hawq_attr *)&g->node[0]->attr[i];
        if (strcmp(attr->name, "beta") != 0) continue;
        attr->type = HAWQ_ATTR_FLOAT;
        attr->f = 2;
    }
    fixture_open(&f, g);
    if (CHECK_OK(lower_candidate(&f, "k3+5%", true, &q, &p))) {
        int64_t bytes = 81 + 4 * 9 + 8 * 9 + 4 * 11 + 2 * 9;
        CHECK(p->n_floats == 1 && p->weight_bytes == bytes);
        CHECK(p->file_bytes == bytes + 4 * 9);
        CHECK(p->choice[0].weight_bits == 3 &&
              p->choice[0].activation_bits == 32);
        CHECK(!strcmp(p->choice[0].candidate, "k3+5%"));
        run(&f, p, "ref", f.float_output);
        outputs_with(&f, q, f.output);
        CHECK(memcmp(f.output, f.float_output,
                     IMAGES * f.n_out * sizeof *f.output) == 0);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* --- what does not fit together ---------------------------------------------
 */

static void other_weights_are_refused(void) {
    fixture         f;
    hawq_quantized *q, *other;
    hawq_choice    *choice;
    hawq_program   *p = NULL;
    fixture_open(&f, graph_of(&shapes[0]));
    CHECK_OK(hawq_choice_uniform(f.graph, 4, 8, &f.arena, &choice));
    CHECK_OK(
        hawq_quantize_choices(f.graph, 1, choice, f.threads, &f.arena, &q));
    CHECK_OK(
        hawq_quantize_choices(f.graph, 0, NULL, f.threads, &f.arena, &other));
    hawq_lower_options o = {
        .n_choices = 1, .choice = choice, .quantized = other};
    CHECK_FAILS(hawq_program_lower(f.graph, &f.calibration, &o, &p),
                HAWQ_EINVAL, "made for another network");
    choice[0].candidate = "k4";
    o.quantized = q;
    CHECK_FAILS(hawq_program_lower(f.graph, &f.calibration, &o, &p),
                HAWQ_EINVAL, "has k4, but its quantized weights are w4");
    choice[0].candidate = "w4:gptq";
    CHECK_FAILS(
        hawq_quantize_choices(f.graph, 1, choice, f.threads, &f.arena, &q),
        HAWQ_EINVAL, "looks at the layer's inputs");
    fixture_close(&f);
}

/* A bias that outweighs its weights by far halves their integers until it
 * fits, outliers, too; the bytes stay. */
static void halved_integers(void) {
    static const char *const tried[] = {"w8", "k3+5%", "w4g8", "w2c"};
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        fixture         f;
        hawq_quantized *q;
        hawq_program   *p = NULL;
        hawq_graph     *g = graph_of(&shapes[1]);
        real           *w = g->layer[0].weight->data;
        for (int k = 0; k < 2 * 54; k++) w[k] *= k < 54 ? (real)1e-8 : 1;
        g->layer[0].bias->data[0] = 9;
        fixture_open(&f, g);
        if (CHECK_OK(lower_candidate(&f, tried[i], false, &q, &p))) {
            const hawq_weights *of = &layer_step(p)->u.weights;
            CHECK(p->n_rescaled == 1 && of->shape.weight_bits == 8);
            CHECK(p->weight_bytes == hawq_quantized_bytes(q));
            run(&f, p, "ref", f.output);
            same_on_all(&f, p);
            for (size_t k = 0; k < 20; k++)
                CHECK_NEAR((double)f.output[k], 9, 0.02);
        }
        hawq_program_free(p);
        fixture_close(&f);
    }
}

int main(void) {
    every_format_equals_the_formula();
    every_format_in_a_network();
    levels_choose_the_width();
    bytes_are_those_counted_by_hand();
    halves_are_what_floats_read();
    codes_are_decoded_for_floats();
    other_weights_are_refused();
    halved_integers();
    DONE();
}
