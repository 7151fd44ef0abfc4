/* c_source.c -- see c_source.h: what can be written, and the writing of it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/c_source.h"

#include "src/exchange/c_emit.h"
#include "src/load/file.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_NAME = 40 }; /* letters: names stay within 63 */

/* A program without float nodes has none of the other float steps. */
static hawq_status check_steps(const hawq_program *p) {
    for (int i = 0; i < p->n_steps; i++) {
        const hawq_step *s = &p->step[i];
        if (s->kind != HAWQ_STEP_FLOAT) continue;
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "node '%s' is computed in float (%s), and C source "
                         "has integer steps only: give its layer a format "
                         "with codes, or take the ONNX file",
                         s->name, s->u.floating.why);
    }
    return HAWQ_OK;
}

/* Does the program end in accumulators or bytes made floats for a Softmax? */
static bool ends_in_softmax(const hawq_program *p) {
    const hawq_step *end = &p->step[p->n_steps - 1];
    if (p->n_steps < 4 || end->kind != HAWQ_STEP_OUTPUT ||
        end[-1].kind != HAWQ_STEP_FLOAT)
        return false;
    const char *op = end[-1].u.floating.node->op->name;
    return (!strcmp(op, "Softmax") || !strcmp(op, "LogSoftmax")) &&
           (end[-2].kind == HAWQ_STEP_SCALE ||
            end[-2].kind == HAWQ_STEP_DEQUANTIZE);
}

/* The program without that Softmax, which keeps the order of what it reads:
 * those are the outputs then. */
static hawq_status cut_softmax(c_emit *e, hawq_program *cut) {
    hawq_step *step;
    if (!ends_in_softmax(e->program)) return HAWQ_OK;
    *cut = *e->program;
    cut->n_steps -= 2;
    cut->n_floats--;
    HAWQ_TAKE(step, e->arena, (size_t)cut->n_steps);
    memcpy(step, e->program->step, (size_t)cut->n_steps * sizeof *step);
    step[cut->n_steps - 1].u.boundary.outside = true;
    cut->step = step;
    e->program = cut;
    e->softmax = true;
    return HAWQ_OK;
}

static hawq_status emit(c_emit *e) {
    const hawq_program *p = e->program;
    HAWQ_TRY(hawq_c_emit_pack(e));
    for (int i = 0; i < p->n_steps; i++) HAWQ_TRY(hawq_c_emit_step(e, i));
    return e->constants.status != HAWQ_OK ? e->constants.status : e->run.status;
}

static hawq_status make_folder(const char *folder) {
    struct stat what;
    if (mkdir(folder, 0777) == 0) return HAWQ_OK;
    if (errno == EEXIST && stat(folder, &what) == 0 && S_ISDIR(what.st_mode))
        return HAWQ_OK;
    return hawq_fail(HAWQ_EIO, "%s: the folder cannot be made: %s", folder,
                     strerror(errno));
}

static hawq_status write_file(const char *folder, const char *end,
                              const c_text *t) {
    char *path = hawq_arena_format(t->arena, "%s/%s%s", folder, t->name, end);
    if (t->status != HAWQ_OK) return t->status;
    if (!path) return HAWQ_ENOMEM;
    hawq_status status = hawq_file_write(path, t->text, t->n);
    return status == HAWQ_OK ? HAWQ_OK : hawq_prefix("%s: ", path);
}

const char *hawq_c_source_name(const hawq_c_source *what) {
    return what->name ? what->name : "net";
}

hawq_status hawq_c_source_check_name(const char *name) {
    bool good = isalpha((unsigned char)name[0]) && strlen(name) <= MOST_NAME;
    for (const char *c = name; *c; c++)
        good &= isalnum((unsigned char)*c) || *c == '_';
    return good ? HAWQ_OK
                : hawq_fail(HAWQ_EINVAL,
                            "'%s' is no name for C source: a letter, then "
                            "letters, digits and '_', %d at most",
                            name, MOST_NAME);
}

static hawq_status save(const char *folder, c_emit *e,
                        hawq_c_source_bytes *bytes) {
    c_text header = {.arena = e->arena, .name = hawq_c_source_name(e->what)},
           source = header, check = header;
    hawq_program cut;
    if (e->program->graph->n_inputs > 1)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "C source takes one input, and the network has %d: "
                         "give the others one value for all images (--input "
                         "NAME=VALUE)",
                         e->program->graph->n_inputs);
    HAWQ_TRY(cut_softmax(e, &cut));
    HAWQ_TRY(check_steps(e->program));
    HAWQ_TRY(emit(e));
    hawq_c_write_header(e, &header);
    hawq_c_write_source(e, &source);
    HAWQ_TRY(hawq_c_write_check(e, &check));
    HAWQ_TRY(make_folder(folder));
    HAWQ_TRY(write_file(folder, ".h", &header));
    HAWQ_TRY(write_file(folder, ".c", &source));
    HAWQ_TRY(write_file(folder, "_check.c", &check));
    if (bytes)
        *bytes = (hawq_c_source_bytes){.constants = e->constants.array_bytes,
                                       .workspace = e->program->workspace_bytes,
                                       .row = e->row};
    return HAWQ_OK;
}

hawq_status hawq_c_source_save(const char *folder, const hawq_c_source *what,
                               hawq_c_source_bytes *bytes) {
    hawq_arena arena = {0};
    c_emit     e = {.what = what,
                    .program = what->program,
                    .arena = &arena,
                    .constants = {.arena = &arena},
                    .run = {.arena = &arena}};
    e.used[PART_ALWAYS] = true;
    if (!what->n_images)
        return hawq_fail(HAWQ_EINVAL, "C source needs at least one image for "
                                      "the check that goes with it");
    HAWQ_TRY(hawq_c_source_check_name(hawq_c_source_name(what)));
    hawq_status status = save(folder, &e, bytes);
    hawq_arena_free(&arena);
    return status;
}
