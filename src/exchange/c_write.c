/* c_write.c -- the three files, from what the steps have added.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/c_emit.h"

#include "src/deploy/run.h"

#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
static const char      sections[] =
#include "src/exchange/net_steps.inc"
    ;
#pragma GCC diagnostic pop

static const char *const part_name[C_PARTS] = {
    [PART_ALWAYS] = "always",
    [PART_REQUANT] = "requant",
    [PART_CLAMP] = "clamp",
    [PART_WEIGHTS] = "weights",
    [PART_PLAIN] = "plain",
    [PART_CODED] = "coded",
    [PART_BITS] = "bits",
    [PART_TRITS] = "trits",
    [PART_GROUPED] = "grouped",
    [PART_CONV] = "conv",
    [PART_CONV_S32] = "conv_s32",
    [PART_OUTLIERS] = "outliers",
    [PART_REQUANTIZE] = "requantize",
    [PART_ADD] = "add",
    [PART_POOL] = "pool",
    [PART_MAX_POOL] = "max_pool",
    [PART_AVERAGE_POOL] = "average_pool",
    [PART_MOVE] = "move",
    [PART_GATHER] = "gather",
    [PART_SCALE] = "scale",
    [PART_DEQUANTIZE] = "dequantize"};

static void notice(const c_emit *e, c_text *t, const char *file,
                   const char *what) {
    hawq_text_add(t, "/* net%s -- ", file);
    hawq_text_name(t, e->what->title);
    hawq_text_add(t,
                  " %s.\n *\n"
                  " * Written by HAWQ-C " HAWQ_VERSION
                  ". This text may be used, changed and passed on\n"
                  " * under any terms. It comes without any warranty. */\n",
                  what);
}

/* --- net.h --------------------------------------------------------------- */

static void output_scales(const c_emit *e, c_text *t) {
    const hawq_boundary *b = e->output;
    size_t               pixels = b->n / b->channels;
    hawq_text_add(t, "#define NET_OUTPUT_SCALES \\\n    {");
    for (size_t i = 0; i < b->n_scales; i++) {
        if (i) hawq_text_add(t, i % 5 ? ", " : ", \\\n     ");
        hawq_text_float(t, b->scale[i]);
    }
    if (!b->n_scales) hawq_text_float(t, b->factor);
    hawq_text_add(t, "}\n#define NET_SCALES %zu\n",
                  b->n_scales ? b->n_scales : 1);
    if (b->channels > 1)
        hawq_text_add(t, "#define NET_SCALE_OF(k) ((k) / %zu %% NET_SCALES)\n",
                      pixels);
    else
        hawq_text_add(t, "#define NET_SCALE_OF(k) ((k) %% NET_SCALES)\n");
}

static const char conversions[] =
    "\n#ifdef NET_FLOAT\n"
    "#include <math.h>\n"
    "/* The input byte of a real number; rounds half to even. */\n"
    "static inline uint8_t net_quantized(float x) {\n"
    "    float   v = x * NET_INPUT_FACTOR;\n"
    "    int32_t q;\n"
    "    v = v > -512.0f ? v : -512.0f;\n"
    "    v = v < 512.0f ? v : 512.0f;\n"
    "    q = (int32_t)lrintf(v) + NET_INPUT_ZERO;\n"
    "    return (uint8_t)(q < 0 ? 0 : q > NET_INPUT_HIGH ? NET_INPUT_HIGH : "
    "q);\n"
    "}\n"
    "/* The real number that output k stands for. */\n"
    "static inline float net_value(const int32_t *output, int32_t k) {\n"
    "    static const float scale[] = NET_OUTPUT_SCALES;\n"
    "    return (float)output[k] * scale[NET_SCALE_OF(k)];\n"
    "}\n"
    "#endif\n";

void hawq_c_write_header(const c_emit *e, c_text *t) {
    const hawq_program  *p = e->program;
    const hawq_boundary *in = e->input;
    notice(e, t, ".h", "in integers");
    hawq_text_add(t,
                  "#ifndef NET_H\n#define NET_H\n#include <stdint.h>\n\n"
                  "#define NET_INPUTS %zu\n#define NET_OUTPUTS %zu\n",
                  p->n_in, p->n_out);
    hawq_text_add(t, "\n/* A real input x is given as round(x * FACTOR) + "
                     "ZERO, clamped to 0 .. HIGH;\n"
                     " * FACTOR is 1 / SCALE in float32. */\n"
                     "#define NET_INPUT_FACTOR ");
    hawq_text_float(t, in->factor);
    hawq_text_add(t, "\n#define NET_INPUT_SCALE ");
    hawq_text_float(t, p->map[p->graph->input->id].scale);
    hawq_text_add(t, "\n#define NET_INPUT_ZERO %d\n#define NET_INPUT_HIGH %d\n",
                  in->zero, in->high);
    hawq_text_add(t, "\n/* Output k stands for output[k] times scale "
                     "NET_SCALE_OF(k) of these. */\n");
    output_scales(e, t);
    if (e->softmax)
        hawq_text_add(t, "/* The Softmax at the network's end is left out: it "
                         "does not change the order. */\n");
    hawq_text_add(t,
                  "\n/* Static memory that net.c takes. */\n"
                  "#define NET_WORKSPACE_BYTES %zu\n#define NET_ROW %zu\n",
                  p->workspace_bytes, e->row);
    hawq_text_add(
        t, "\n/* One image: NET_INPUTS bytes in the order of the network's "
           "input,\n"
           " * NET_OUTPUTS integers in that of its output. Uses static memory: "
           "one\n"
           " * call at a time. */\n"
           "void net_run(const uint8_t *input, int32_t *output);\n");
    hawq_text_fixed(t, conversions, sizeof conversions - 1);
    hawq_text_add(t, "\n#endif\n");
}

/* --- net.c --------------------------------------------------------------- */

/* Do the words of a section's first line, "@ a !b", hold? */
static bool is_wanted(const c_emit *e, const char *words, const char *end) {
    while (words < end) {
        size_t n = strcspn(words, " \n");
        bool   inverted = *words == '!', used = false;
        for (int i = 0; i < C_PARTS; i++)
            if (strlen(part_name[i]) == n - inverted &&
                !memcmp(part_name[i], words + inverted, n - inverted))
                used = e->used[i];
        if (used == inverted) return false;
        words += n + 1;
    }
    return true;
}

static void add_sections(const c_emit *e, c_text *t) {
    for (const char *at = sections; *at;) {
        const char *body = strchr(at, '\n') + 1;
        const char *next = strstr(body, "\n@ ");
        size_t      n = next ? (size_t)(next + 1 - body) : strlen(body);
        if (!memcmp(body, "@ ", 2)) n = 0; /* nothing in it */
        if (is_wanted(e, at + 2, body - 1)) hawq_text_fixed(t, body, n);
        at = body + n;
    }
}

static void add_types(const c_emit *e, c_text *t) {
    const char *const type[] = {"int16_t", "int32_t"};
    if (e->used[PART_WEIGHTS] || e->used[PART_POOL])
        hawq_text_add(t,
                      "typedef %s extent; /* sizes of images and windows */\n",
                      type[e->largest > 32767]);
    if (e->used[PART_OUTLIERS])
        hawq_text_add(t, "typedef %s column; /* of a row of weights */\n",
                      type[e->width > 32767]);
    if (e->used[PART_GATHER])
        hawq_text_add(t, "typedef %s place; /* in the workspace */\n",
                      type[e->program->workspace_bytes > 32767]);
}

void hawq_c_write_source(const c_emit *e, c_text *t) {
    notice(e, t, ".c", "in integers");
    hawq_text_add(
        t, "#include \"net.h\"\n\n"
           "/* A value is a block of unsigned bytes, channels last, and stands "
           "for\n"
           " * scale (q - zero). A step reads one or two values and writes "
           "one. The right\n"
           " * shift of a negative number has to keep its sign. */\n");
    add_types(e, t);
    hawq_text_add(t, "\n");
    add_sections(e, t);
    hawq_text_add(t, "/* --- constants of the steps --- */\n");
    hawq_text_append(t, e->constants.text, e->constants.n);
    hawq_text_add(t, "\n/* Values and accumulators; what no step needs any "
                     "more is written over. */\n"
                     "static int32_t workspace[NET_WORKSPACE_BYTES / 4];\n\n"
                     "void net_run(const uint8_t *input, int32_t *output) {\n"
                     "    uint8_t *at = (uint8_t *)workspace;\n");
    hawq_text_append(t, e->run.text, e->run.n);
    hawq_text_add(t, "}\n");
}

/* --- net_check.c --------------------------------------------------------- */

static const char check_main[] =
    "\nint main(void) {\n"
    "    static int32_t y[NET_OUTPUTS];\n"
    "    long           differ = 0;\n"
    "    int32_t        i, k;\n"
    "    for (i = 0; i < IMAGES; i++) {\n"
    "        net_run(input + i * NET_INPUTS, y);\n"
    "        for (k = 0; k < NET_OUTPUTS; k++)\n"
    "            if (net_value(y, k) != output[i * NET_OUTPUTS + k]) "
    "differ++;\n"
    "    }\n"
    "    printf(\"%d images, %ld of %ld outputs differ\\n\", IMAGES, differ,\n"
    "           (long)IMAGES * NET_OUTPUTS);\n"
    "    return differ != 0;\n"
    "}\n";

/* What the program's own runner gives, on the kernels that define it. */
static hawq_status reference(const c_emit *e, uint8_t *x, float *y) {
    const hawq_c_source *w = e->what;
    const hawq_boundary *in = e->input;
    const hawq_kernels  *ref = hawq_kernels_select("ref");
    hawq_runner         *runner;
    HAWQ_TRY(hawq_runner_new(e->program, ref, w->threads, &runner));
    hawq_runner_run(runner, w->n_images, w->images, y);
    hawq_runner_free(runner);
    ref->quantize(w->n_images * e->program->n_in, w->images, in->factor,
                  in->zero, 0, in->high, x);
    return HAWQ_OK;
}

hawq_status hawq_c_write_check(const c_emit *e, c_text *t) {
    size_t   n_images = e->what->n_images;
    size_t   n_in = n_images * e->program->n_in;
    size_t   n_out = n_images * e->program->n_out;
    uint8_t *x;
    float   *y;
    HAWQ_TAKE(x, e->arena, n_in);
    HAWQ_TAKE(y, e->arena, n_out);
    HAWQ_TRY(reference(e, x, y));
    notice(e, t, "_check.c", "against stored outputs");
    hawq_text_add(t,
                  "#define NET_FLOAT\n#include \"net.h\"\n\n"
                  "#include <stdio.h>\n\nenum { IMAGES = %zu };\n\n",
                  n_images);
    hawq_text_u8(t, "input", n_in, x);
    hawq_text_add(t, "\n");
    hawq_text_f32(t, "output", n_out, y);
    hawq_text_fixed(t, check_main, sizeof check_main - 1);
    return t->status;
}
