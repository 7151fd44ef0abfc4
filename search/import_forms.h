/* import_forms.h -- for import.c and import_tools.c: what readers of the forms
 * share.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_IMPORT_FORMS_H
#define HAWQ_IMPORT_FORMS_H
#include "search/import.h"
#include "search/json.h"

typedef struct hawq_import_rules {
    hawq_arena       *arena;
    int               n;
    hawq_import_rule *rule;
} hawq_import_rules;

/* A rule to the end, its name copied. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_import_add(hawq_import_rules *r,
                                           hawq_import_rule   rule);
/* One to the end for what no rule before names: so many bits. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_import_add_rest(hawq_import_rules *r, int bits);
/* A member of an object, NULL if there is none; a whole number of bits? */
const cJSON *hawq_import_member(const cJSON *object, const char *key);
bool         hawq_import_is_width(const cJSON *item);
/* An expression that stands for one name: its backslashes go. In place. */
void hawq_import_unescape(char *pattern);

/* Of a form in JSON; root is the whole. EFORMAT, ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_import_aimet(hawq_import_rules *r,
                                             const cJSON       *root,
                                             hawq_import       *out);
HAWQ_NODISCARD hawq_status hawq_import_litert(hawq_import_rules *r,
                                              const cJSON       *root,
                                              hawq_import       *out);
HAWQ_NODISCARD hawq_status hawq_import_esp_ppq(hawq_import_rules *r,
                                               const cJSON       *root,
                                               hawq_import       *out);
/* The lines after "custom_quantize_layers:"; the text is cut up. */
HAWQ_NODISCARD hawq_status hawq_import_rknn(hawq_import_rules *r, char *text);

#endif
