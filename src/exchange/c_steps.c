/* c_steps.c -- the constants of a step and its line of net_run.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/c_emit.h"
#include "src/exchange/c_move.h"

#include <stdio.h>

/* --- places ------------------------------------------------------------ */

/* The bytes, or the accumulators, at an offset of the workspace. */
static void at(c_text *t, size_t offset) {
    hawq_text_add(t, offset ? "at + %zu" : "at", offset);
}
static void sums_at(c_text *t, size_t offset) {
    size_t words = offset / sizeof(int32_t); /* buffers are aligned */
    hawq_text_add(t, words ? "workspace + %zu" : "workspace", words);
}

static void end_line(c_emit *e, const hawq_step *s) {
    hawq_text_add(&e->run, "); /* ");
    hawq_text_name(&e->run, s->name);
    hawq_text_add(&e->run, " */\n");
}

/* "    conv(&conv_3, at + 64, at);", and the name of the node. */
static void line(c_emit *e, const char *function, const char *constants,
                 const hawq_step *s, bool sums) {
    hawq_text_add(&e->run, "    %s(&%s, ", function, constants);
    at(&e->run, s->in);
    hawq_text_add(&e->run, ", ");
    if (sums)
        sums_at(&e->run, s->out);
    else
        at(&e->run, s->out);
    end_line(e, s);
}

/* --- layers ------------------------------------------------------------ */

static hawq_status conv(c_emit *e, int i) {
    const hawq_step *s = &e->program->step[i];
    bool             sums = s->kind == HAWQ_STEP_CONV_S32;
    char             name[C_NAME];
    HAWQ_TRY(hawq_c_emit_convolution(e, i));
    e->used[sums ? PART_CONV_S32 : PART_CONV] = true;
    line(e, sums ? "conv_s32" : "conv", hawq_c_name("conv", i, name), s, sums);
    return HAWQ_OK;
}

/* Columns are below the length of a row. */
static hawq_status outlier_columns(c_emit *e, const char *name,
                                   const int32_t *at_row, size_t n) {
    int16_t *narrow;
    if (e->width > 32767) {
        hawq_text_s32(&e->constants, name, n, at_row);
        return HAWQ_OK;
    }
    HAWQ_TAKE(narrow, e->arena, n);
    for (size_t k = 0; k < n; k++) narrow[k] = (int16_t)at_row[k];
    hawq_text_s16(&e->constants, name, n, narrow);
    return HAWQ_OK;
}

/* Follows its CONV_S32, with whose constants it shares the geometry. */
static hawq_status outliers(c_emit *e, int i) {
    const hawq_step     *s = &e->program->step[i];
    const hawq_outliers *o = &s->u.weights.outliers;
    size_t               rows = (size_t)s->u.weights.shape.oc;
    size_t               n = (size_t)o->start[rows];
    char                 name[C_NAME];
    e->used[PART_OUTLIERS] = true;
    hawq_text_s32(&e->constants, hawq_c_name("start", i, name), rows + 1,
                  o->start);
    HAWQ_TRY(outlier_columns(e, hawq_c_name("column", i, name), o->at, n));
    hawq_text_s16(&e->constants, hawq_c_name("value", i, name), n, o->value);
    hawq_text_add(&e->constants,
                  "static const struct outlier_rows outliers_%d = "
                  "{start_%d, column_%d, value_%d};\n",
                  i, i, i, i);
    hawq_text_add(&e->run, "    outliers(&conv_%d, &outliers_%d, ", i - 1, i);
    at(&e->run, s->in);
    hawq_text_add(&e->run, ", ");
    sums_at(&e->run, s->out);
    end_line(e, s);
    return HAWQ_OK;
}

static void requantize(c_emit *e, int i) {
    const hawq_step           *s = &e->program->step[i];
    const hawq_requantization *q = &s->u.requantization;
    e->used[PART_REQUANTIZE] = true;
    hawq_c_emit_requant_arrays(e, i, q->channels, &q->requant);
    hawq_text_add(&e->constants,
                  "static const struct requantization requant_%d = ", i);
    hawq_c_emit_requant(e, i, q->channels, &q->requant);
    hawq_text_add(&e->constants, ";\n");
    hawq_text_add(&e->run, "    requantize(&requant_%d, %zu, %zu, ", i,
                  q->pixels, q->channels);
    sums_at(&e->run, s->in);
    hawq_text_add(&e->run, ", ");
    at(&e->run, s->out);
    end_line(e, s);
}

/* --- additions and pools ----------------------------------------------- */

static void add(c_emit *e, int i) {
    const hawq_step *s = &e->program->step[i];
    const hawq_add  *a = &s->u.add;
    e->used[PART_ADD] = e->used[PART_CLAMP] = true;
    hawq_text_add(&e->constants,
                  "\nstatic const struct addition add_%d = {\n"
                  "    .n = %zu, .ma = %d, .mb = %d, .za = %d, .zb = %d,\n"
                  "    .shift = %d, .zero = %d, .low = %d, .high = %d};\n",
                  i, a->n, a->ma, a->mb, a->za, a->zb, a->shift, a->zero,
                  a->low, a->high);
    hawq_text_add(&e->run, "    add(&add_%d, ", i);
    at(&e->run, s->in);
    hawq_text_add(&e->run, ", ");
    at(&e->run, s->in2);
    hawq_text_add(&e->run, ", ");
    at(&e->run, s->out);
    end_line(e, s);
}

static void pool(c_emit *e, int i) {
    const hawq_step *s = &e->program->step[i];
    const hawq_pool *p = &s->u.pool;
    size_t           n = (size_t)p->kh * (size_t)p->kw;
    c_text          *t = &e->constants;
    char             name[C_NAME];
    bool             average = s->kind == HAWQ_STEP_AVERAGE_POOL;
    e->used[PART_POOL] = true;
    e->used[average ? PART_AVERAGE_POOL : PART_MAX_POOL] = true;
    hawq_c_emit_extents(e, 11,
                        (int[]){p->h, p->w, p->c, p->oh, p->ow, p->kh, p->kw,
                                p->stride_h, p->stride_w, p->pad_top,
                                p->pad_left});
    hawq_text_add(t, "\n");
    if (average) hawq_c_emit_requant_arrays(e, i, n, &p->requant);
    hawq_text_add(t,
                  "static const struct pooling pool_%d = {\n"
                  "    .h = %d, .w = %d, .c = %d, .oh = %d, .ow = %d, "
                  ".kh = %d, .kw = %d,\n    .stride_h = %d, .stride_w = %d, "
                  ".pad_top = %d, .pad_left = %d",
                  i, p->h, p->w, p->c, p->oh, p->ow, p->kh, p->kw, p->stride_h,
                  p->stride_w, p->pad_top, p->pad_left);
    if (average) {
        hawq_text_add(t, ",\n    .zero = %d, .count_pad = %d, .requant = ",
                      p->zero_in, p->count_pad);
        hawq_c_emit_requant(e, i, n, &p->requant);
    }
    hawq_text_add(t, "};\n");
    line(e, average ? "average_pool" : "max_pool", hawq_c_name("pool", i, name),
         s, false);
}

/* --- moves ------------------------------------------------------------- */

enum { MOVEMENT = 68 }; /* bytes of a struct movement */

static bool is_identity(const uint8_t table[256]) {
    for (int i = 0; i < 256; i++)
        if (table[i] != i) return false;
    return true;
}

static void four(c_text *t, const char *name, const int32_t *v) {
    hawq_text_add(t, ",\n    .%s = {%d, %d, %d, %d}", name, (int)v[0],
                  (int)v[1], (int)v[2], (int)v[3]);
}

/* Loops number k of step i. */
static void move_by_loops(c_emit *e, int i, int k, const c_loops *l,
                          const char *table) {
    const hawq_step *s = &e->program->step[i];
    c_text          *t = &e->constants;
    char             name[C_NAME];
    e->used[PART_MOVE] = true;
    snprintf(name, sizeof name, k ? "move_%d_%d" : "move_%d", i, k);
    hawq_text_add(t,
                  "static const struct movement %s = {\n"
                  "    .n = %zu, .fill = %d, .table = %s, .from = %d, .to = %d",
                  name, l->filled ? s->u.gather.n : 0, s->u.gather.fill, table,
                  (int)l->from, (int)l->to);
    four(t, "count", l->count);
    four(t, "from_step", l->from_step);
    four(t, "to_step", l->to_step);
    hawq_text_add(t, "};\n");
    line(e, "move", name, s, false);
}

/* An index into the workspace is below its bytes. */
static size_t place_bytes(const c_emit *e) {
    return e->program->workspace_bytes > 32767 ? sizeof(int32_t)
                                               : sizeof(int16_t);
}

static hawq_status move_by_map(c_emit *e, int i, const char *table) {
    const hawq_step   *s = &e->program->step[i];
    const hawq_gather *g = &s->u.gather;
    int16_t           *narrow;
    char               name[C_NAME];
    e->used[PART_GATHER] = true;
    hawq_c_name("map", i, name);
    if (place_bytes(e) > sizeof *narrow) {
        hawq_text_s32(&e->constants, name, g->n, g->map);
    } else {
        HAWQ_TAKE(narrow, e->arena, g->n);
        for (size_t k = 0; k < g->n; k++)
            narrow[k] = (int16_t)(g->map[k] < 0 ? -1 : g->map[k]);
        hawq_text_s16(&e->constants, name, g->n, narrow);
    }
    hawq_text_add(&e->run, "    gather(map_%d, %zu, %d, %s, ", i, g->n, g->fill,
                  table);
    at(&e->run, s->in);
    hawq_text_add(&e->run, ", ");
    at(&e->run, s->out);
    end_line(e, s);
    return HAWQ_OK;
}

static hawq_status move(c_emit *e, int i) {
    const hawq_gather *g = &e->program->step[i].u.gather;
    char               table[C_NAME] = "0";
    c_loops            loops[C_MOVES];
    int                n;
    hawq_text_add(&e->constants, "\n");
    if (!is_identity(g->table))
        hawq_text_u8(&e->constants, hawq_c_name("table", i, table), 256,
                     g->table);
    HAWQ_TRY(hawq_c_loops_find(g, e->arena, loops, &n));
    /* several of them may take more than the map */
    if (!n || (n > 1 && (size_t)n * MOVEMENT > g->n * place_bytes(e)))
        return move_by_map(e, i, table);
    for (int k = 0; k < n; k++) move_by_loops(e, i, k, &loops[k], table);
    return HAWQ_OK;
}

/* --- ends -------------------------------------------------------------- */

static void input(c_emit *e, const hawq_step *s) {
    e->input = &s->u.boundary;
    hawq_text_add(&e->run, "    take_input(input, %zu, ", e->input->n);
    at(&e->run, s->out);
    end_line(e, s);
}

static void output(c_emit *e, const hawq_step *s) {
    const hawq_boundary *b = e->output = &s->u.boundary;
    bool                 sums = s->kind == HAWQ_STEP_SCALE;
    e->used[sums ? PART_SCALE : PART_DEQUANTIZE] = true;
    hawq_text_add(&e->run,
                  sums ? "    give_accumulators(" : "    give_values(");
    if (sums)
        sums_at(&e->run, s->in);
    else
        at(&e->run, s->in);
    if (!sums) hawq_text_add(&e->run, ", %d", b->zero);
    hawq_text_add(&e->run, ", %zu, %zu, output", b->n / b->channels,
                  b->channels);
    end_line(e, s);
}

/* --- the whole ----------------------------------------------------------- */

hawq_status hawq_c_emit_step(c_emit *e, int i) {
    const hawq_step *s = &e->program->step[i];
    switch (s->kind) {
    case HAWQ_STEP_CONV:
    case HAWQ_STEP_CONV_S32:
        return conv(e, i);
    case HAWQ_STEP_OUTLIERS:
        return outliers(e, i);
    case HAWQ_STEP_REQUANTIZE:
        requantize(e, i);
        break;
    case HAWQ_STEP_ADD:
        add(e, i);
        break;
    case HAWQ_STEP_MAX_POOL:
    case HAWQ_STEP_AVERAGE_POOL:
        pool(e, i);
        break;
    case HAWQ_STEP_MOVE:
        return move(e, i);
    case HAWQ_STEP_QUANTIZE:
        input(e, s);
        break;
    case HAWQ_STEP_SCALE:
    case HAWQ_STEP_DEQUANTIZE:
        output(e, s);
        break;
    case HAWQ_STEP_FLOAT: /* refused before */
    case HAWQ_STEP_OUTPUT:
        break;
    }
    return HAWQ_OK;
}
