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

/* In search_export_nodes.c: forms that say, by the names of nodes, which layers
 * stay in float where all others get 8 bits. */
extern const hawq_export_format hawq_export_trtexec, hawq_export_openvino,
    hawq_export_modelopt;

#endif
