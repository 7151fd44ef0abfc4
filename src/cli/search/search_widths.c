/* search_widths.c -- which widths a layer may have: --bits, the groups of
 * layers that share a tensor, --group, --ungroup, --pin and --first-last.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/metrics.h"
#include "src/cli/search/search_candidates.h"
#include "src/cli/search/search_command.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* --- --bits w8a8,w4a8,k3:gptq ----------------------------------------------
 */

static bool same_name(const char *a, const char *b) {
    return !strcmp(a ? a : "", b ? b : "");
}

bool hawq_search_same_width(const hawq_width *a, const hawq_width *b) {
    return a->weight_bits == b->weight_bits &&
           a->activation_bits == b->activation_bits &&
           same_name(a->candidate, b->candidate);
}

bool hawq_search_is_width(const hawq_priced *c, const hawq_width *w) {
    return c->weight_bits == w->weight_bits &&
           c->activation_bits == w->activation_bits &&
           same_name(c->name, w->candidate);
}

static bool has_width(const hawq_search *s, const hawq_width *width) {
    for (int i = 0; i < s->n_widths; i++)
        if (hawq_search_same_width(&s->width[i], width)) return true;
    return false;
}

/* The same, where a number and the narrow grid of so many bits are one. */
static bool is_asked(const hawq_search *s, const hawq_width *width) {
    char plain[16];
    snprintf(plain, sizeof plain, "w%d", width->weight_bits);
    bool       is_plain = width->candidate && !strcmp(width->candidate, plain);
    hawq_width other = *width;
    if (!width->candidate) other.candidate = plain;
    if (is_plain) other.candidate = NULL;
    return has_width(s, width) || has_width(s, &other);
}

hawq_status hawq_search_widths(hawq_search *s, const char *text) {
    if (!text) return HAWQ_OK;
    HAWQ_TAKE(s->width, &s->cli->arena, strlen(text) + 1);
    for (const char *at = text;; at++) {
        hawq_named  named;
        size_t      length = strcspn(at, ",");
        const char *item = hawq_arena_string_n(&s->cli->arena, at, length);
        if (!item) return HAWQ_ENOMEM;
        HAWQ_TRY(hawq_named_read("--bits", item, &s->cli->arena, &named));
        hawq_width width = {named.weight_bits, named.activation_bits,
                            named.name};
        if (is_asked(s, &width))
            return hawq_fail(HAWQ_EINVAL, "--bits: %s is given twice", item);
        s->width[s->n_widths++] = width;
        at += length;
        if (!*at) return HAWQ_OK;
    }
}

/* --- and what the analysis has of it -------------------------------------- */

/* How well a name of the analysis answers to a width that is asked for: 3 it is
 * the name, or w<b> for a number b; 2 the format, where no method is asked for;
 * 1 the bits of a number or of a plain w<b>; else 0. */
static int answers_to(const char *name, int bits, const hawq_width *w) {
    size_t format = strcspn(name, ":");
    char   plain[16];
    snprintf(plain, sizeof plain, "w%d", w->weight_bits);
    const char *wanted = w->candidate ? w->candidate : plain;
    if (!strcmp(name, wanted)) return 3;
    if (strchr(wanted, ':')) return 0;
    if (strlen(wanted) == format && !strncmp(name, wanted, format)) return 2;
    return !strcmp(wanted, plain) && bits == w->weight_bits;
}

/* A curvature times |dW|^2 knows nothing of methods that compensate. */
static bool is_blind(const hawq_search *s, const char *name) {
    return hawq_metric_is_blind(hawq_metric_named(s->metric)) &&
           hawq_named_compensates(name);
}

static hawq_status list_names(const hawq_search *s, const char **list) {
    *list = "";
    for (int i = 0; i < s->n_sensitivities; i++) {
        if (s->sensitivity[i].layer) continue;
        *list =
            hawq_arena_format(&s->cli->arena, "%s%s%s", *list,
                              **list ? ", " : "", s->sensitivity[i].candidate);
        if (!*list) return HAWQ_ENOMEM;
    }
    return HAWQ_OK;
}

static hawq_status refuse_width(const hawq_search *s, const hawq_width *w) {
    const char *list, *name = w->candidate;
    HAWQ_TRY(list_names(s, &list));
    if (!name)
        name = hawq_arena_format(&s->cli->arena, "%d bits", w->weight_bits);
    return hawq_fail(HAWQ_EINVAL,
                     "the analysis (run %lld) has no sensitivities at %s, only "
                     "at %s; run hawq-analyze with --candidates that include "
                     "it",
                     (long long)s->analysis, name ? name : "", list);
}

/* Adds what answers best to the width, with its activations. */
static hawq_status add_answers(hawq_search *s, const hawq_width *w) {
    int best = 0, n = 0;
    for (int i = 0; i < s->n_sensitivities; i++) {
        const hawq_sensitivity_record *r = &s->sensitivity[i];
        if (r->layer || is_blind(s, r->candidate)) continue;
        int how = answers_to(r->candidate, r->bits, w);
        best = how > best ? how : best;
    }
    for (int i = 0; best && i < s->n_sensitivities; i++) {
        const hawq_sensitivity_record *r = &s->sensitivity[i];
        hawq_width added = {r->bits, w->activation_bits, r->candidate};
        if (r->layer || is_blind(s, r->candidate) ||
            answers_to(r->candidate, r->bits, w) < best)
            continue;
        if (!has_width(s, &added)) s->width[s->n_widths++] = added;
        n++;
    }
    return n ? HAWQ_OK : refuse_width(s, w);
}

static hawq_status add_all(hawq_search *s) {
    int blind = 0;
    for (int i = 0; i < s->n_sensitivities; i++) {
        const hawq_sensitivity_record *r = &s->sensitivity[i];
        if (r->layer) continue;
        blind += is_blind(s, r->candidate);
        if (!is_blind(s, r->candidate) && r->bits != 16)
            s->width[s->n_widths++] = (hawq_width){
                r->bits, s->weight_only ? HAWQ_FLOAT_BITS : 8, r->candidate};
    }
    if (!blind) return HAWQ_OK;
    if (!s->n_widths)
        return hawq_fail(HAWQ_ESTATE,
                         "run %lld has only candidates whose methods "
                         "compensate for their errors, of whose loss %s says "
                         "nothing; use --metric measured, quadratic or hybrid",
                         (long long)s->analysis, s->metric);
    hawq_cli_note(s->cli,
                  "%d candidates of run %lld are left out: %s says nothing of "
                  "the loss where a method compensates for its errors",
                  blind, (long long)s->analysis, s->metric);
    return HAWQ_OK;
}

hawq_status hawq_search_resolve(hawq_search *s) {
    hawq_width *given = s->width;
    int         n = s->n_widths;
    HAWQ_TAKE(s->width, &s->cli->arena,
              (size_t)(n + 1) * (size_t)(s->n_sensitivities + 1));
    s->n_widths = 0;
    if (!n) return add_all(s);
    for (int i = 0; s->weight_only && i < n; i++)
        given[i].activation_bits = HAWQ_FLOAT_BITS;
    for (int i = 0; i < n; i++) {
        if (given[i].weight_bits != HAWQ_FLOAT_BITS)
            HAWQ_TRY(add_answers(s, &given[i]));
        else if (!has_width(s, &given[i]))
            s->width[s->n_widths++] = given[i];
    }
    return HAWQ_OK;
}

hawq_status hawq_search_resolve_choice(hawq_search *s, hawq_choice *choice) {
    hawq_width w = {choice->weight_bits, 8, choice->candidate};
    const hawq_sensitivity_record *best = NULL;
    int                            how = 0;
    if (w.weight_bits == HAWQ_FLOAT_BITS) {
        choice->candidate = "float";
        return HAWQ_OK;
    }
    for (int i = 0; i < s->n_sensitivities; i++) {
        const hawq_sensitivity_record *r = &s->sensitivity[i];
        int this = r->layer ? 0 : answers_to(r->candidate, r->bits, &w);
        if (this > how) best = r;
        how = this > how ? this : how;
    }
    if (!best) return refuse_width(s, &w);
    choice->candidate = best->candidate;
    return HAWQ_OK;
}

/* --- groups ----------------------------------------------------------------
 */

bool hawq_search_activations_vary(const hawq_search *s) {
    int first = 0;
    for (int i = 0; i < s->n_widths; i++) {
        int bits = s->width[i].activation_bits;
        if (bits == HAWQ_FLOAT_BITS) bits = 8; /* which its input has */
        if (!first) first = bits;
        if (bits != first) return true;
    }
    return false;
}

bool hawq_search_is_ungrouped(const hawq_search *s, const char *layer) {
    for (int i = 0; i < s->ungroups.n; i++)
        if (!strcmp(s->ungroups.item[i], layer)) return true;
    return false;
}

/* A tensor has one width, whoever reads it. Where all candidates have the same
 * activations there is nothing to share. */
static hawq_status tie_readers(hawq_search *s) {
    bool vary = !s->imported && hawq_search_activations_vary(s);
    for (int g = 0; g < s->n_groups && vary; g++) {
        const hawq_search_group *group = &s->group[g];
        const char             **name;
        int                      n = 0;
        HAWQ_TAKE(name, &s->cli->arena, (size_t)group->n);
        for (int i = 0; i < group->n; i++) {
            const char *layer = s->layer[group->layer[i]].name;
            if (!hawq_search_is_ungrouped(s, layer)) name[n++] = layer;
        }
        if (n > 1)
            HAWQ_TRY(hawq_problem_tie_activations(s->problem, n, name,
                                                  group->reason));
    }
    return HAWQ_OK;
}

static hawq_status check_ungroups(const hawq_search *s) {
    for (int i = 0; i < s->ungroups.n; i++) {
        const char *name = s->ungroups.item[i];
        if (s->problem_path)
            return hawq_fail(HAWQ_EINVAL,
                             "--ungroup %s: the groups of a problem file are "
                             "the file's; change it there",
                             name);
        if (hawq_problem_find_layer(s->problem, name) < 0)
            return hawq_fail(HAWQ_EINVAL,
                             "--ungroup %s: there is no such layer", name);
        hawq_cli_note(s->cli,
                      "--ungroup %s: a tensor read by several layers is stored "
                      "at the largest width one of them asks for; costs and "
                      "losses here take each at its own",
                      name);
    }
    return HAWQ_OK;
}

static hawq_status add_group(hawq_search *s, const char *text) {
    const char **name;
    hawq_arena  *arena = &s->cli->arena;
    int          n = 0;
    HAWQ_TAKE(name, arena, strlen(text) + 1);
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        name[n] = hawq_arena_string_n(arena, at, length);
        if (!name[n]) return HAWQ_ENOMEM;
        for (int i = 0; i < n; i++)
            if (!strcmp(name[i], name[n]))
                return hawq_fail(HAWQ_EINVAL,
                                 "--group %s: layer '%s' is named twice", text,
                                 name[n]);
        n++;
        at += length;
        if (!*at) break;
    }
    if (n < 2)
        return hawq_fail(HAWQ_EINVAL,
                         "--group %s: at least two layers, A,B,...", text);
    return hawq_problem_tie(s->problem, n, name, "--group");
}

/* --- pins ------------------------------------------------------------------
 */

static hawq_status read_pin(hawq_search *s, const char *text,
                            const char **layer, hawq_named *out) {
    const char *value;
    HAWQ_TRY(hawq_parse_pair("--pin", "LAYER=CANDIDATE", text, &s->cli->arena,
                             layer, &value));
    HAWQ_TRY(hawq_named_read("--pin", value, &s->cli->arena, out));
    if (out->weight_bits == HAWQ_FLOAT_BITS) out->name = NULL;
    return HAWQ_OK;
}

static hawq_status pin(hawq_search *s, const char *layer, const hawq_named *to,
                       int rank) {
    return to->name
               ? hawq_problem_pin_name(s->problem, layer, to->name, rank)
               : hawq_problem_pin(s->problem, layer, to->weight_bits, rank);
}

hawq_status hawq_search_pins_float(hawq_search *s, bool *out) {
    *out = s->first_last == HAWQ_FLOAT_BITS;
    for (int i = 0; i < s->pins.n; i++) {
        const char *layer;
        hawq_named  to;
        HAWQ_TRY(read_pin(s, s->pins.item[i], &layer, &to));
        *out |= to.weight_bits == HAWQ_FLOAT_BITS;
    }
    return HAWQ_OK;
}

/* Characters of a shell pattern that a name must have: neither wildcards nor
 * sets in brackets, and one for a character behind a backslash. */
static int literal_characters(const char *pattern) {
    int n = 0;
    for (const char *at = pattern; *at; at++) {
        if (*at == '[') {
            const char *end = at[1] ? strchr(at + 2, ']') : NULL;
            if (end) {
                at = end;
                continue;
            }
        }
        if (*at == '\\' && at[1])
            at++;
        else if (*at == '*' || *at == '?')
            continue;
        n++;
    }
    return n;
}

/* Ranks of pins: a name before --first-last, that before a pattern, a pattern
 * with more literal characters before one with fewer. */
enum { FIRST_LAST = HAWQ_PIN_BY_NAME - 1 };

/* Is it the name of the layer's weight in the file, or of one of its nodes? */
static bool is_called(const hawq_search_layer *layer, const char *name) {
    bool is = layer->weight && !strcmp(layer->weight, name);
    for (int i = 0; i < layer->n_nodes && !is; i++)
        is = !strcmp(layer->node[i], name);
    return is;
}

/* Pins the layers of the model that go by another of their names. */
static hawq_status pin_by_other_name(hawq_search *s, const char *name,
                                     const hawq_named *to, int *n) {
    for (int l = 0; l < s->n_layers; l++) {
        if (!is_called(&s->layer[l], name)) continue;
        HAWQ_TRY(pin(s, s->layer[l].name, to, HAWQ_PIN_BY_NAME));
        ++*n;
    }
    return HAWQ_OK;
}

/* A layer's own name, else that of its constant or node in the file, or else a
 * pattern of the shell's kind. */
static hawq_status add_pin(hawq_search *s, const char *text) {
    const char *pattern;
    hawq_named  to;
    int         n = 0;
    HAWQ_TRY(read_pin(s, text, &pattern, &to));
    bool own = hawq_problem_find_layer(s->problem, pattern) >= 0;
    if (!own) HAWQ_TRY(pin_by_other_name(s, pattern, &to, &n));
    if (n) return HAWQ_OK;
    if (own || !strpbrk(pattern, "*?["))
        return pin(s, pattern, &to, HAWQ_PIN_BY_NAME);
    for (int l = 0; l < s->problem->n_layers; l++) {
        const char *name = s->problem->layer[l].name;
        if (fnmatch(pattern, name, 0)) continue;
        HAWQ_TRY(pin(s, name, &to, literal_characters(pattern)));
        n++;
    }
    if (n) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL, "--pin %s: no layer has such a name", text);
}

static hawq_status pin_ends(hawq_search *s) {
    const hawq_problem *p = s->problem;
    int                 ends[] = {0, p->n_layers - 1};
    for (int i = 0; s->first_last && p->n_layers && i < 2; i++)
        HAWQ_TRY(hawq_problem_pin(s->problem, p->layer[ends[i]].name,
                                  s->first_last, FIRST_LAST));
    return HAWQ_OK;
}

hawq_status hawq_search_check_pins(hawq_search *s) {
    const char *layer;
    hawq_named  to;
    for (int i = 0; i < s->pins.n; i++)
        HAWQ_TRY(read_pin(s, s->pins.item[i], &layer, &to));
    return HAWQ_OK;
}

hawq_status hawq_search_tie_and_pin(hawq_search *s) {
    HAWQ_TRY(check_ungroups(s));
    HAWQ_TRY(tie_readers(s));
    for (int i = 0; i < s->groups.n; i++)
        HAWQ_TRY(add_group(s, s->groups.item[i]));
    HAWQ_TRY(pin_ends(s));
    for (int i = 0; i < s->pins.n; i++) HAWQ_TRY(add_pin(s, s->pins.item[i]));
    return HAWQ_OK;
}
