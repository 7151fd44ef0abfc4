/* problem_json.c -- problems from JSON and back.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem_json.h"

#include "search/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- checked access ------------------------------------------------------ */

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No key of the object comes twice. */
static hawq_status check_once(const cJSON *object, const char *where,
                              hawq_arena *arena) {
    const cJSON *item;
    const char **key;
    size_t       n = 0;
    hawq_mark    mark = hawq_arena_mark(arena);
    HAWQ_TAKE(key, arena, (size_t)cJSON_GetArraySize(object));
    cJSON_ArrayForEach(item, object) key[n++] = item->string;
    qsort(key, n, sizeof(const char *), by_text);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(key[i - 1], key[i]))
            return hawq_fail(HAWQ_EFORMAT, "%s: key \"%s\" comes twice", where,
                             key[i]);
    hawq_arena_reset(arena, mark);
    return HAWQ_OK;
}

/* Every key of the object is known or a remark, and none comes twice. */
static hawq_status check_keys(const cJSON *object, const char *where,
                              const char *const *known, hawq_arena *arena) {
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        bool found = cJSON_IsString(item);
        for (const char *const *k = known; *k; k++)
            found |= !strcmp(item->string, *k);
        if (!found)
            return hawq_fail(HAWQ_EFORMAT, "%s: unknown key \"%s\"", where,
                             item->string);
    }
    return check_once(object, where, arena);
}

static const cJSON *member(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static hawq_status read_number(const cJSON *object, const char *where,
                               const char *key, double *out) {
    const cJSON *item = member(object, key);
    if (!item)
        return hawq_fail(HAWQ_EFORMAT, "%s: \"%s\" is missing", where, key);
    if (hawq_json_number(item, out)) return HAWQ_OK;
    return hawq_fail(HAWQ_EFORMAT, "%s: \"%s\" is not a number", where, key);
}

static hawq_status read_whole(const cJSON *object, const char *where,
                              const char *key, double most, double *out) {
    double value = 0;
    HAWQ_TRY(read_number(object, where, key, &value));
    if (value != floor(value) || value < 0 || value > most)
        return hawq_fail(HAWQ_EFORMAT,
                         "%s: \"%s\" is %.10g, not a whole number in 0 ... "
                         "%.10g",
                         where, key, value, most);
    *out = value;
    return HAWQ_OK;
}

/* --- reading ------------------------------------------------------------- */

typedef struct reader {
    hawq_arena    arena; /* scratch */
    hawq_problem *problem;
    int           n_kinds;
    const char  **kind;
} reader;

/* The kinds of cost are those of the file's first candidate. */
static hawq_status find_kinds(reader *r, const cJSON *layers) {
    const cJSON *layer = layers->child;
    const cJSON *candidate = layer ? member(layer, "candidates") : NULL;
    const cJSON *cost =
        candidate && candidate->child ? member(candidate->child, "cost") : NULL;
    const cJSON    *item;
    hawq_cost_kind *kind;
    size_t          n = 0, most = cost ? (size_t)cJSON_GetArraySize(cost) : 0;
    HAWQ_TAKE(r->kind, &r->arena, most);
    HAWQ_TAKE(kind, &r->arena, most);
    if (cJSON_IsObject(cost)) cJSON_ArrayForEach(item, cost) {
            r->kind[n] = item->string;
            kind[n++] = (hawq_cost_kind){.name = item->string, .unit = 1};
        }
    r->n_kinds = (int)n;
    return hawq_problem_new(r->n_kinds, kind, &r->problem);
}

static hawq_status read_costs(const reader *r, const cJSON *candidate,
                              const char *where, double *out) {
    const cJSON *cost = member(candidate, "cost"), *item;
    if (!cost) return hawq_fail(HAWQ_EFORMAT, "%s: \"cost\" is missing", where);
    if (!cJSON_IsObject(cost))
        return hawq_fail(HAWQ_EFORMAT, "%s: \"cost\" is not an object", where);
    cJSON_ArrayForEach(item, cost) {
        bool known = false;
        for (int k = 0; k < r->n_kinds; k++)
            known |= !strcmp(item->string, r->kind[k]);
        if (!known)
            return hawq_fail(HAWQ_EFORMAT,
                             "%s: the first candidate of the file has no "
                             "cost \"%s\"; all must have the same",
                             where, item->string);
    }
    for (int k = 0; k < r->n_kinds; k++)
        if (read_number(cost, where, r->kind[k], &out[k]) != HAWQ_OK)
            return hawq_fail(HAWQ_EFORMAT,
                             "%s: the cost \"%s\" is missing or not a number",
                             where, r->kind[k]);
    if (cJSON_GetArraySize(cost) != r->n_kinds)
        return hawq_fail(HAWQ_EFORMAT, "%s: a cost comes twice", where);
    return HAWQ_OK;
}

static hawq_status read_candidate(reader *r, const cJSON *item,
                                  const char *where, double *cost,
                                  hawq_priced *out) {
    static const char *const known[] = {
        "weight_bits", "activation_bits", "candidate", "loss", "cost", NULL};
    const cJSON *name = member(item, "candidate");
    double       weight_bits, activation_bits;
    if (!cJSON_IsObject(item))
        return hawq_fail(HAWQ_EFORMAT, "%s is not an object", where);
    HAWQ_TRY(check_keys(item, where, known, &r->arena));
    HAWQ_TRY(read_whole(item, where, "weight_bits", 32, &weight_bits));
    HAWQ_TRY(read_whole(item, where, "activation_bits", 32, &activation_bits));
    if (name && !cJSON_IsString(name))
        return hawq_fail(HAWQ_EFORMAT, "%s: \"candidate\" is not a text",
                         where);
    if (name) out->name = name->valuestring;
    HAWQ_TRY(read_number(item, where, "loss", &out->loss));
    HAWQ_TRY(read_costs(r, item, where, cost));
    out->weight_bits = (int)weight_bits;
    out->activation_bits = (int)activation_bits;
    out->cost = cost;
    return HAWQ_OK;
}

static hawq_status read_candidates(reader *r, const cJSON *list,
                                   const char *layer, int n,
                                   hawq_priced **out) {
    double      *cost;
    hawq_priced *candidate;
    const cJSON *item;
    int          i = 0;
    HAWQ_TAKE(candidate, &r->arena, (size_t)n);
    HAWQ_TAKE(cost, &r->arena, (size_t)n * (size_t)r->n_kinds);
    cJSON_ArrayForEach(item, list) {
        const char *where =
            hawq_arena_format(&r->arena, "layer '%s', candidate %d", layer, i);
        if (!where) return HAWQ_ENOMEM;
        HAWQ_TRY(read_candidate(r, item, where, cost, &candidate[i++]));
        cost += r->n_kinds;
    }
    *out = candidate;
    return HAWQ_OK;
}

static hawq_status read_layer(reader *r, const cJSON *item, int index) {
    static const char *const known[] = {
        "name",       "group",       "activation_group", "params",
        "candidates", "weight_bits", "activation_bits",  "candidate",
        NULL};
    const char *where = hawq_arena_format(&r->arena, "layer %d", index);
    double      params = 0;
    if (!where) return HAWQ_ENOMEM;
    if (!cJSON_IsObject(item))
        return hawq_fail(HAWQ_EFORMAT, "%s is not an object", where);
    const cJSON *name = member(item, "name"), *group = member(item, "group");
    const cJSON *candidates = member(item, "candidates");
    if (!cJSON_IsString(name))
        return hawq_fail(HAWQ_EFORMAT, "%s: \"name\" is missing or not a text",
                         where);
    where = hawq_arena_format(&r->arena, "layer '%s'", name->valuestring);
    if (!where) return HAWQ_ENOMEM;
    HAWQ_TRY(check_keys(item, where, known, &r->arena));
    if (group && !cJSON_IsString(group))
        return hawq_fail(HAWQ_EFORMAT, "%s: \"group\" is not a text", where);
    const cJSON *shared = member(item, "activation_group");
    if (shared && !cJSON_IsString(shared))
        return hawq_fail(HAWQ_EFORMAT, "%s: \"activation_group\" is not a text",
                         where);
    if (member(item, "params"))
        HAWQ_TRY(read_whole(item, where, "params", 0x1p53, &params));
    if (!cJSON_IsArray(candidates))
        return hawq_fail(HAWQ_EFORMAT,
                         "%s: \"candidates\" is missing or not a list", where);
    hawq_priced *list;
    int          n = cJSON_GetArraySize(candidates);
    HAWQ_TRY(read_candidates(r, candidates, name->valuestring, n, &list));
    return hawq_problem_add(r->problem, name->valuestring,
                            group ? group->valuestring : NULL, (int64_t)params,
                            n, list);
}

/* A layer of the file in a group of activations. */
typedef struct sharer {
    const char *group, *layer;
    int         index;
} sharer;

static int by_group(const void *a, const void *b) {
    const sharer *x = a, *y = b;
    int           order = strcmp(x->group, y->group);
    return order ? order : x->index - y->index;
}

/* Ties each layer to the nearest before it with the same "activation_group". */
static hawq_status read_shared(reader *r, const cJSON *layers) {
    const cJSON *item;
    sharer      *all;
    int          n = 0;
    HAWQ_TAKE(all, &r->arena, (size_t)cJSON_GetArraySize(layers));
    cJSON_ArrayForEach(item, layers) {
        const cJSON *group = member(item, "activation_group");
        if (!group) continue;
        all[n] =
            (sharer){group->valuestring, member(item, "name")->valuestring, n};
        n++;
    }
    qsort(all, (size_t)n, sizeof *all, by_group);
    for (int i = 1; i < n; i++) {
        const char *two[] = {all[i - 1].layer, all[i].layer};
        if (!strcmp(all[i - 1].group, all[i].group))
            HAWQ_TRY(hawq_problem_tie_activations(r->problem, 2, two,
                                                  "same activation_group"));
    }
    return HAWQ_OK;
}

static hawq_status read_budgets(reader *r, const cJSON *budgets) {
    const cJSON *item;
    if (!budgets) return HAWQ_OK;
    if (!cJSON_IsObject(budgets))
        return hawq_fail(HAWQ_EFORMAT, "\"budgets\" is not an object");
    cJSON_ArrayForEach(item, budgets) {
        double limit;
        if (!hawq_json_number(item, &limit))
            return hawq_fail(HAWQ_EFORMAT, "budget \"%s\" is not a number",
                             item->string);
        if (hawq_problem_budget(r->problem, item->string, limit) !=
            HAWQ_OK) /* here the file is at fault, not the command line */
            return hawq_fail(HAWQ_EFORMAT, "%s", hawq_message());
    }
    return HAWQ_OK;
}

/* A layer by its name or its place. */
static hawq_status read_side(const reader *r, const cJSON *item,
                             const char *where, int *layer) {
    double most = r->problem->n_layers - 1;
    if (cJSON_IsString(item)) {
        *layer = hawq_problem_find_layer(r->problem, item->valuestring);
        if (*layer >= 0) return HAWQ_OK;
        return hawq_fail(HAWQ_EFORMAT, "%s: there is no layer '%s'", where,
                         item->valuestring);
    }
    double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (value != floor(value) || value < 0 || value > most)
        return hawq_fail(HAWQ_EFORMAT,
                         "%s: a layer is neither a name nor a whole number in "
                         "0 ... %g",
                         where, most);
    *layer = (int)value;
    return HAWQ_OK;
}

static hawq_status read_interaction(reader *r, const cJSON *item,
                                    const char *where) {
    int    layer[2], candidate[2];
    double strength;
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 5)
        return hawq_fail(HAWQ_EFORMAT,
                         "%s is not [layer, candidate, layer, candidate, "
                         "value]",
                         where);
    item = item->child;
    for (int i = 0; i < 2; i++, item = item->next) {
        HAWQ_TRY(read_side(r, item, where, &layer[i]));
        item = item->next;
        double most = r->problem->layer[layer[i]].n_candidates - 1;
        double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (value != floor(value) || value < 0 || value > most)
            return hawq_fail(HAWQ_EFORMAT,
                             "%s: a candidate of layer '%s' is not a whole "
                             "number in 0 ... %g",
                             where, r->problem->layer[layer[i]].name, most);
        candidate[i] = (int)value;
    }
    if (!hawq_json_number(item, &strength))
        return hawq_fail(HAWQ_EFORMAT, "%s: the value is not a number", where);
    if (hawq_problem_interact(r->problem, layer[0], candidate[0], layer[1],
                              candidate[1], strength) != HAWQ_OK)
        return hawq_prefix("%s: ", where);
    return HAWQ_OK;
}

static hawq_status read_interactions(reader *r, const cJSON *list) {
    const cJSON *item;
    char         where[32];
    int          i = 0;
    if (!list) return HAWQ_OK;
    if (!cJSON_IsArray(list))
        return hawq_fail(HAWQ_EFORMAT, "\"interactions\" is not a list");
    cJSON_ArrayForEach(item, list) {
        snprintf(where, sizeof where, "interaction %d", i++);
        HAWQ_TRY(read_interaction(r, item, where));
    }
    return HAWQ_OK;
}

static hawq_status read_problem(reader *r, const cJSON *root) {
    static const char *const known[] = {"layers", "budgets", "interactions",
                                        "allocation", NULL};
    const cJSON             *layers, *item;
    int                      index = 0;
    if (!cJSON_IsObject(root))
        return hawq_fail(HAWQ_EFORMAT, "the file is not a JSON object");
    layers = member(root, "layers");
    HAWQ_TRY(check_keys(root, "the file", known, &r->arena));
    if (!cJSON_IsArray(layers))
        return hawq_fail(HAWQ_EFORMAT, "\"layers\" is missing or not a list");
    if (!layers->child) return hawq_fail(HAWQ_EFORMAT, "\"layers\" is empty");
    HAWQ_TRY(find_kinds(r, layers));
    cJSON_ArrayForEach(item, layers) HAWQ_TRY(read_layer(r, item, index++));
    HAWQ_TRY(read_shared(r, layers));
    HAWQ_TRY(read_interactions(r, member(root, "interactions")));
    return read_budgets(r, member(root, "budgets"));
}

hawq_status hawq_problem_parse(const char *name, const char *text, size_t n,
                               hawq_problem **out) {
    reader      r = {0};
    cJSON      *root = NULL;
    hawq_status status = hawq_json_parse(text, n, &r.arena, &root);
    if (status == HAWQ_OK) status = read_problem(&r, root);
    if (status != HAWQ_OK) status = hawq_prefix("%s: ", name);
    cJSON_Delete(root);
    hawq_arena_free(&r.arena);
    if (status == HAWQ_OK)
        *out = r.problem;
    else
        hawq_problem_free(r.problem);
    return status;
}

hawq_status hawq_problem_read(const char *path, hawq_problem **out) {
    hawq_arena  arena = {0};
    char       *text = NULL;
    size_t      n = 0;
    hawq_status status = hawq_text_read(path, &arena, &text, &n);
    if (status == HAWQ_OK) status = hawq_problem_parse(path, text, n, out);
    hawq_arena_free(&arena);
    return status;
}

/* --- writing; cJSON's functions pass NULL on, so one check at the end ------
 */

static void put_candidate(const hawq_problem *p, const hawq_priced *c,
                          cJSON *list) {
    cJSON *item = cJSON_CreateObject();
    cJSON_AddNumberToObject(item, "weight_bits", c->weight_bits);
    cJSON_AddNumberToObject(item, "activation_bits", c->activation_bits);
    if (c->name) cJSON_AddStringToObject(item, "candidate", c->name);
    cJSON_AddNumberToObject(item, "loss", c->loss);
    cJSON *cost = cJSON_AddObjectToObject(item, "cost");
    for (int k = 0; k < p->n_kinds; k++)
        cJSON_AddNumberToObject(cost, p->kind[k].name,
                                c->cost[k] / p->kind[k].unit);
    cJSON_AddItemToArray(list, item);
}

/* Does another layer of the group take the same candidate? */
static bool is_tied(const hawq_problem *p, const hawq_problem_group *g,
                    int layer) {
    for (int i = 0; i < g->n_layers; i++)
        if (g->layer[i] != layer &&
            p->layer[g->layer[i]].tied_to == p->layer[layer].tied_to)
            return true;
    return false;
}

/* Is a candidate of the layer in one of its group's that the pins left? */
static bool is_allowed(const hawq_problem *p, int layer, int candidate) {
    const hawq_problem_layer *l = &p->layer[layer];
    const hawq_problem_group *g = &p->group[l->in_group];
    for (int c = 0; c < g->n_candidates; c++)
        if (l->member[c] == candidate && g->allowed[c]) return true;
    return false;
}

static void put_layer(const hawq_problem *p, int index, const int *choice,
                      cJSON *list) {
    const hawq_problem_layer *l = &p->layer[index];
    const hawq_problem_group *g = &p->group[l->in_group];
    cJSON                    *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "name", l->name);
    if (is_tied(p, g, index))
        cJSON_AddStringToObject(item, "group", p->layer[l->tied_to].group);
    if (g->weights_free)
        cJSON_AddStringToObject(item, "activation_group", g->name);
    if (l->params) cJSON_AddNumberToObject(item, "params", (double)l->params);
    if (choice) {
        const hawq_priced *c =
            hawq_problem_candidate(p, index, choice[l->in_group]);
        cJSON_AddNumberToObject(item, "weight_bits", c->weight_bits);
        cJSON_AddNumberToObject(item, "activation_bits", c->activation_bits);
        if (c->name) cJSON_AddStringToObject(item, "candidate", c->name);
    }
    cJSON *candidates = cJSON_AddArrayToObject(item, "candidates");
    for (int c = 0; c < l->n_candidates; c++) /* what the pins left */
        if (is_allowed(p, index, l->order[c]))
            put_candidate(p, &l->candidate[l->order[c]], candidates);
    cJSON_AddItemToArray(list, item);
}

/* The place of a layer's candidate among those written, or -1. */
static int written_place(const hawq_problem *p, int layer, int candidate) {
    const hawq_problem_layer *l = &p->layer[layer];
    int                       place = 0;
    for (int c = 0; c < l->n_candidates; c++) {
        bool allowed = is_allowed(p, layer, l->order[c]);
        if (l->order[c] == candidate) return allowed ? place : -1;
        place += allowed;
    }
    return -1;
}

static void put_interactions(const hawq_problem *p, cJSON *root) {
    if (!p->n_interactions) return;
    cJSON *list = cJSON_AddArrayToObject(root, "interactions");
    for (int i = 0; i < p->n_interactions; i++) {
        const hawq_interaction *x = &p->interaction[i];
        int    a = written_place(p, x->layer_i, x->candidate_a);
        int    b = written_place(p, x->layer_j, x->candidate_b);
        double number[] = {x->layer_i, a, x->layer_j, b, x->value};
        if (a >= 0 && b >= 0)
            cJSON_AddItemToArray(list, cJSON_CreateDoubleArray(number, 5));
    }
}

static void put_allocation(const hawq_solution *s, cJSON *root) {
    cJSON *allocation = cJSON_AddObjectToObject(root, "allocation");
    cJSON_AddStringToObject(allocation, "state", hawq_found_text(s->state));
    cJSON_AddStringToObject(allocation, "solver", s->solver->name);
    cJSON_AddNumberToObject(allocation, "objective", s->objective);
    cJSON_AddNumberToObject(allocation, "bound", s->bound);
}

hawq_status hawq_problem_write(const char *path, const hawq_problem *p,
                               const hawq_solution *solution) {
    cJSON *root = cJSON_CreateObject();
    cJSON *layers = cJSON_AddArrayToObject(root, "layers");
    for (int l = 0; l < p->n_layers; l++)
        put_layer(p, l, solution ? solution->choice : NULL, layers);
    cJSON *budgets = cJSON_AddObjectToObject(root, "budgets");
    for (int b = 0; b < p->n_budgets; b++)
        cJSON_AddNumberToObject(budgets, p->kind[p->budget[b].kind].name,
                                p->budget[b].limit);
    put_interactions(p, root);
    if (solution && solution->choice) put_allocation(solution, root);
    char       *text = cJSON_Print(root);
    hawq_status status = text ? hawq_text_write(path, text)
                              : hawq_fail(HAWQ_ENOMEM, "out of memory");
    cJSON_free(text);
    cJSON_Delete(root);
    return status;
}
