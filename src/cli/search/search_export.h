/* search_export.h -- an allocation on its way into another program's form: rows
 * of one table, see search_export.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEARCH_EXPORT_H
#define HAWQ_SEARCH_EXPORT_H
#include "src/cli/kit/output.h"
#include "src/cli/search/search_command.h"

typedef struct hawq_export {
    const hawq_search   *s;
    const hawq_solution *solution;
    hawq_json            json; /* and its file, for forms that are no JSON */
} hawq_export;

typedef struct hawq_export_format {
    const char *name;
    hawq_status (*check)(const hawq_export *e); /* NULL: anything will do */
    void (*put)(hawq_export *e);
} hawq_export_format;

/* What was chosen for layer l; its name; the layer as the model has it, NULL
 * with a problem file; and whether it stays in float32. */
const hawq_priced       *hawq_export_chosen(const hawq_export *e, int l);
const char              *hawq_export_name(const hawq_export *e, int l);
const hawq_search_layer *hawq_export_layer(const hawq_export *e, int l);
bool                     hawq_export_is_float(const hawq_export *e, int l);

/* Of the layers that read one tensor as integers, the first with the most bits
 * speaks for it: is that l? */
bool hawq_export_speaks_for_input(const hawq_export *e, int l);
/* A layer before l, of those quantized at all, that comes from the same
 * constant of the file, and so has spoken for both; -1: none. */
int hawq_export_earlier(const hawq_export *e, int l);
/* EINVAL: the layers are of a problem file. */
HAWQ_NODISCARD hawq_status hawq_export_check_model(const hawq_export *e,
                                                   const char        *format);
/* EINVAL: the layer is made of no constant of the file, or of one that another
 * layer is made of, too, with another width. */
HAWQ_NODISCARD hawq_status hawq_export_check_tensor(const hawq_export *e, int l,
                                                    const char *format);

/* In search_export_nodes.c: forms that say, by the names of nodes or of what
 * they compute, which layers stay in float where all others get 8 bits. In
 * search_export_tensors.c: forms that have bits. */
extern const hawq_export_format hawq_export_trtexec, hawq_export_openvino,
    hawq_export_modelopt, hawq_export_esp_ppq, hawq_export_rknn,
    hawq_export_aimet, hawq_export_litert;

#endif
