/* import_apply.c -- from the rules of a file to the bits of given layers.
 *
 * Every name of the layers goes into one sorted index, so that a rule finds its
 * layers by bisection; only patterns and classes are tried on all layers. Rules
 * are applied in their order and the first that says something of a layer
 * counts.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import.h"

#include "search/pattern.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_PATTERN = 10000 };

/* What a name is of. The weight's name and the input's are tensors'. */
enum { LAYER = 1, WEIGHT = 2, INPUT = 4, NODE = 8, OUTPUT = 16 };

typedef struct entry {
    const char *name;
    int         of, layer;
} entry;

typedef struct matcher {
    const hawq_import       *import;
    int                      n;
    const hawq_import_layer *layer;
    hawq_arena              *arena;
    hawq_choice             *out;
    size_t                   n_entries;
    entry                   *entry;       /* sorted by name */
    const hawq_import_rule **named;       /* [layer]: gave its weights */
    const hawq_import_rule **named_input; /* [layer]: gave its input */
    const char              *prefix;      /* see hawq_import_match */
    bool                     of_layers;
} matcher;

/* --- the index ------------------------------------------------------------ */

static int by_name(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int          order = strcmp(x->name, y->name);
    if (order) return order;
    return x->layer != y->layer ? x->layer - y->layer : x->of - y->of;
}

static void add_entry(matcher *m, const char *name, int of, int layer) {
    if (name && *name) m->entry[m->n_entries++] = (entry){name, of, layer};
}

static hawq_status build_index(matcher *m) {
    HAWQ_TAKE(m->entry, m->arena, 5 * (size_t)m->n);
    for (int l = 0; l < m->n; l++) {
        add_entry(m, m->layer[l].name, LAYER, l);
        add_entry(m, m->layer[l].weight, WEIGHT, l);
        add_entry(m, m->layer[l].input, INPUT, l);
        add_entry(m, m->layer[l].node, NODE, l);
        add_entry(m, m->layer[l].output, OUTPUT, l);
    }
    qsort(m->entry, m->n_entries, sizeof *m->entry, by_name);
    return HAWQ_OK;
}

/* The first entry of this name; they end at n_entries or another name. */
static size_t find(const matcher *m, const char *name) {
    size_t low = 0, high = m->n_entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(m->entry[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stands_at(const matcher *m, size_t i, const char *name) {
    return i < m->n_entries && !strcmp(m->entry[i].name, name);
}

static bool is_of(const matcher *m, const char *name, int of) {
    for (size_t i = find(m, name); stands_at(m, i, name); i++)
        if (m->entry[i].of & of) return true;
    return false;
}

/* --- how HAWQ names a layer -----------------------------------------------
 */

/* Takes every `what` out of the text, in place. */
static void remove_all(char *text, const char *what) {
    size_t length = strlen(what);
    for (char *at = text; (at = strstr(at, what));)
        memmove(at, at + length, strlen(at + length) + 1);
}

/* HAWQ wraps a module under its own name with "quant_" before it, and calls a
 * convolution with its normalization convbn; the input of conv1 is
 * "conv1.quant_act". The name of the layer, in the arena; NULL if no memory. */
static char *unwrapped(const matcher *m, const hawq_import_rule *rule) {
    static const char end[] = ".quant_act";
    char             *name = hawq_arena_string(m->arena, rule->name);
    if (!name) return NULL;
    size_t n = strlen(name), ends = sizeof end - 1;
    if (rule->activation && n > ends && !strcmp(name + n - ends, end))
        name[n - ends] = '\0';
    else if (!rule->activation)
        remove_all(name, "quant_");
    if (is_of(m, name, LAYER)) return name;
    for (char *at = name; (at = strstr(at, "convbn")); at += 4)
        memmove(at + 4, at + 6, strlen(at + 6) + 1);
    return name;
}

/* --- the prefix ------------------------------------------------------------
 */

/* Bytes that all names have in common. */
static size_t common(const char *first, const char *name, size_t most) {
    size_t n = 0;
    while (n < most && first[n] == name[n]) n++;
    return n;
}

static bool is_named(const hawq_import_rule *rule) {
    return rule->by == HAWQ_BY_NAME && !rule->activation;
}

/* The name in the index that a rule means, once the prefix is off or on. */
static hawq_status meant(const matcher *m, const hawq_import_rule *rule,
                         const char **out) {
    const char *name = rule->name;
    size_t      n = m->prefix ? strlen(m->prefix) : 0;
    if (n && m->of_layers)
        name = hawq_arena_format(m->arena, "%s%s", m->prefix, name);
    else if (n && !strncmp(name, m->prefix, n))
        name += n;
    if (!name) return HAWQ_ENOMEM;
    if (rule->by == HAWQ_BY_NAME && !is_of(m, name, LAYER | WEIGHT | INPUT)) {
        hawq_import_rule short_one = *rule;
        short_one.name = name;
        name = unwrapped(m, &short_one);
    }
    *out = name;
    return name ? HAWQ_OK : HAWQ_ENOMEM;
}

/* Does every name of the file mean a layer (all), or at least one? */
static hawq_status names_match(matcher *m, bool all, bool *out) {
    hawq_mark mark = hawq_arena_mark(m->arena);
    int       named = 0, found = 0;
    for (int i = 0; i < m->import->n; i++) {
        const hawq_import_rule *rule = &m->import->rule[i];
        const char             *name;
        if (!is_named(rule)) continue;
        HAWQ_TRY(meant(m, rule, &name));
        named++;
        found += is_of(m, name, LAYER | WEIGHT);
        if (all ? found < named : found > 0) break;
    }
    hawq_arena_reset(m->arena, mark);
    *out = all ? named && found == named : found > 0;
    return HAWQ_OK;
}

/* Tries the part of `text` before each of its dots and slashes, the shortest
 * first, that is no longer than `most`. */
static hawq_status try_prefixes(matcher *m, const char *text, size_t most,
                                bool of_layers, bool *found) {
    for (size_t n = 1; n <= most && !*found; n++) {
        if (text[n - 1] != '.' && text[n - 1] != '/') continue;
        m->of_layers = of_layers;
        m->prefix = hawq_arena_string_n(m->arena, text, n);
        if (!m->prefix) return HAWQ_ENOMEM;
        HAWQ_TRY(names_match(m, true, found));
    }
    if (!*found) m->prefix = NULL;
    return HAWQ_OK;
}

/* Where no name of the file is a layer's, all may be a layer's behind one
 * prefix, or the layers' be theirs behind one. */
static hawq_status find_prefix(matcher *m) {
    const char *first = NULL;
    size_t      most = 0;
    bool        found;
    HAWQ_TRY(names_match(m, false, &found));
    for (int i = 0; i < m->import->n && !found; i++) {
        const hawq_import_rule *rule = &m->import->rule[i];
        if (!is_named(rule)) continue;
        most = first ? common(first, rule->name, most) : strlen(rule->name);
        if (!first) first = rule->name;
    }
    if (!first) return HAWQ_OK;
    HAWQ_TRY(try_prefixes(m, first, most, false, &found));
    first = m->layer[0].name;
    most = strlen(first);
    for (int l = 1; l < m->n; l++) most = common(first, m->layer[l].name, most);
    return try_prefixes(m, first, most, true, &found);
}

/* --- rules ---------------------------------------------------------------- */

/* A layer that two rules name would silently get what stands first. */
static hawq_status check_once(const matcher *m, int l,
                              const hawq_import_rule  *rule,
                              const hawq_import_rule **before) {
    if (rule->ignored) return HAWQ_OK;
    if (*before)
        return hawq_fail(HAWQ_EFORMAT,
                         "layer '%s' is named twice, as '%s' and '%s'; leave "
                         "one of them",
                         m->layer[l].name, (*before)->name, rule->name);
    *before = rule;
    return HAWQ_OK;
}

static void give_bits(const hawq_import_rule *rule, hawq_choice *to) {
    to->weight_bits = rule->weight_bits;
    to->candidate = rule->candidate;
}

static void give(const matcher *m, const hawq_import_rule *rule, int l,
                 bool weight, bool input) {
    hawq_choice *to = &m->out[l];
    if (weight && !to->weight_bits) give_bits(rule, to);
    if (input && !to->activation_bits)
        to->activation_bits = rule->activation_bits;
}

/* The entries of one layer under the rule's name: bits of `of`. */
static hawq_status apply_to_layer(matcher *m, const hawq_import_rule *rule,
                                  int l, int of, bool *used) {
    bool by_node = rule->by == HAWQ_BY_NODE || rule->by == HAWQ_BY_OUTPUT;
    bool weight = by_node ? of & (NODE | OUTPUT)
                          : !rule->activation && of & (LAYER | WEIGHT);
    bool reads = !by_node && of & INPUT;
    bool input =
        reads || (rule->activation && of & LAYER) || (weight && !(of & WEIGHT));
    if (weight && !by_node) HAWQ_TRY(check_once(m, l, rule, &m->named[l]));
    if (input && !weight) HAWQ_TRY(check_once(m, l, rule, &m->named_input[l]));
    give(m, rule, l, weight, input);
    *used |= weight || input;
    return HAWQ_OK;
}

static hawq_status apply_name(matcher *m, const hawq_import_rule *rule,
                              bool *used) {
    const char *name;
    HAWQ_TRY(meant(m, rule, &name));
    int may = rule->by == HAWQ_BY_NODE     ? NODE
              : rule->by == HAWQ_BY_OUTPUT ? OUTPUT
              : rule->by == HAWQ_BY_TENSOR ? WEIGHT | INPUT
                                           : LAYER | WEIGHT | INPUT;
    if (rule->by == HAWQ_BY_NAME && is_of(m, name, LAYER | WEIGHT))
        may = LAYER | WEIGHT; /* a tensor may be called like a layer */
    for (size_t i = find(m, name); stands_at(m, i, name);) {
        int l = m->entry[i].layer, of = 0;
        for (; stands_at(m, i, name) && m->entry[i].layer == l; i++)
            of |= m->entry[i].of & may;
        HAWQ_TRY(apply_to_layer(m, rule, l, of, used));
    }
    return HAWQ_OK;
}

static hawq_status apply_pattern(matcher *m, const hawq_import_rule *rule,
                                 bool *used) {
    regex_t    regex;
    regmatch_t at;
    if (hawq_pattern_size(rule->name) > LARGEST_PATTERN)
        return hawq_fail(HAWQ_EFORMAT,
                         "'%.60s' is too large a regular expression: with its "
                         "repetitions written out it has more than %d "
                         "characters",
                         rule->name, LARGEST_PATTERN);
    if (regcomp(&regex, rule->name, REG_EXTENDED))
        return hawq_fail(HAWQ_EFORMAT, "'%s' is not a regular expression",
                         rule->name);
    for (int l = 0; l < m->n; l++) {
        const char *text[] = {m->layer[l].name, m->layer[l].weight};
        bool        matches = false;
        for (int i = 0; i < 2 && !matches; i++)
            matches = text[i] && !regexec(&regex, text[i], 1, &at, 0) &&
                      (!rule->anchored || at.rm_so == 0);
        give(m, rule, l, matches, matches);
        *used |= matches;
    }
    regfree(&regex);
    return HAWQ_OK;
}

/* Modules of PyTorch by the operator and the dimensions of the weight. */
static const struct class {
    const char *name, *op;
    int         dimensions; /* 0: any */
} classes[] = {{"Linear", "Gemm", 0},
               {"Linear", "MatMul", 0},
               {"Conv1d", "Conv", 3},
               {"Conv2d", "Conv", 4},
               {"Conv3d", "Conv", 5},
               {"ConvTranspose1d", "ConvTranspose", 3},
               {"ConvTranspose2d", "ConvTranspose", 4},
               {"ConvTranspose3d", "ConvTranspose", 5}};
enum { CLASSES = sizeof classes / sizeof *classes };

bool hawq_import_is_class(const char *name) {
    for (int i = 0; i < CLASSES; i++)
        if (!strcmp(classes[i].name, name)) return true;
    return false;
}

static bool is_in_class(const hawq_import_layer *layer, const char *name) {
    for (int i = 0; i < CLASSES; i++) {
        const struct class *c = &classes[i];
        if (layer->op && !strcmp(c->name, name) && !strcmp(c->op, layer->op) &&
            (!c->dimensions || c->dimensions == layer->dimensions))
            return true;
    }
    return false;
}

static void apply_class(matcher *m, const hawq_import_rule *rule, bool *used) {
    for (int l = 0; l < m->n; l++) {
        bool matches = is_in_class(&m->layer[l], rule->name);
        give(m, rule, l, matches, matches);
        *used |= matches;
    }
}

static hawq_status apply_rule(matcher *m, const hawq_import_rule *rule) {
    bool used = false;
    if (rule->by == HAWQ_BY_PATTERN)
        HAWQ_TRY(apply_pattern(m, rule, &used));
    else if (rule->by == HAWQ_BY_CLASS)
        apply_class(m, rule, &used);
    else
        HAWQ_TRY(apply_name(m, rule, &used));
    if (used || !m->import->strict || rule->activation) return HAWQ_OK;
    return hawq_fail(HAWQ_EFORMAT,
                     "'%s' is no layer of the model, nor are all names of the "
                     "file layers behind one prefix; its first layer is '%s'",
                     rule->name, m->layer[0].name);
}

/* --- the whole ------------------------------------------------------------ */

static hawq_status take_in_order(const hawq_import *import, int n,
                                 hawq_choice *out) {
    if (import->n != n)
        return hawq_fail(HAWQ_EFORMAT,
                         "%d widths without names, but the model has %d "
                         "layers",
                         import->n, n);
    for (int l = 0; l < n; l++) give_bits(&import->rule[l], &out[l]);
    return HAWQ_OK;
}

static hawq_status complete(const hawq_import *import, int n, int fallback,
                            hawq_choice *out) {
    for (int l = 0; l < n; l++) {
        if (!out[l].weight_bits)
            return hawq_fail(
                HAWQ_EFORMAT,
                "no bits for layer '%s' (read as %s, %d entries%s)",
                out[l].layer, import->format, import->n,
                import->has_classes ? "; classes are Linear, Conv1d to Conv3d "
                                      "and ConvTranspose1d to 3d"
                                    : "");
        if (!out[l].activation_bits) out[l].activation_bits = fallback;
        if (out[l].weight_bits == HAWQ_FLOAT_BITS)
            out[l].activation_bits = HAWQ_FLOAT_BITS;
    }
    return HAWQ_OK;
}

hawq_status hawq_import_apply(const hawq_import *import, int n,
                              const hawq_import_layer *layer,
                              int activation_default, hawq_arena *arena,
                              hawq_choice *out, hawq_import_match *match) {
    matcher m = {
        .import = import, .n = n, .layer = layer, .arena = arena, .out = out};
    for (int l = 0; l < n; l++) out[l] = (hawq_choice){.layer = layer[l].name};
    if (import->unnamed) {
        HAWQ_TRY(take_in_order(import, n, out));
    } else if (n) {
        HAWQ_TAKE(m.named, arena, (size_t)n);
        HAWQ_TAKE(m.named_input, arena, (size_t)n);
        HAWQ_TRY(build_index(&m));
        HAWQ_TRY(find_prefix(&m));
        for (int i = 0; i < import->n; i++)
            HAWQ_TRY(apply_rule(&m, &import->rule[i]));
    }
    *match = (hawq_import_match){import->unnamed, m.prefix, m.of_layers};
    return complete(import, n, activation_default, out);
}
