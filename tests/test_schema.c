/* test_schema.c -- tests/data/search/problem.schema.json says what problem
 * files are: the shipped example and whatever is exported conform to it, and
 * what it refuses the reader refuses, too.
 *
 * The checker knows the words of JSON Schema 2020-12 that the schema uses, and
 * fails on any other, so that none is passed over.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/json.h"
#include "search/problem_json.h"
#include "tests/allocating.h"

#include <unistd.h>

/* --- the checker ---------------------------------------------------------- */

static const cJSON *schema;

static const cJSON *member(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool has_type(const cJSON *value, const char *type) {
    bool number = cJSON_IsNumber(value);
    return !strcmp(type, "object")   ? cJSON_IsObject(value)
           : !strcmp(type, "array")  ? cJSON_IsArray(value)
           : !strcmp(type, "string") ? cJSON_IsString(value)
           : !strcmp(type, "null")   ? cJSON_IsNull(value)
           : !strcmp(type, "number") ? number
           : !strcmp(type, "integer")
               ? number && value->valuedouble == floor(value->valuedouble)
               : CHECK(!"a type that is known");
}

static bool has_types(const cJSON *value, const cJSON *type) {
    const cJSON *one;
    if (cJSON_IsString(type)) return has_type(value, type->valuestring);
    cJSON_ArrayForEach(one,
                       type) if (has_type(value, one->valuestring)) return true;
    return false;
}

static bool conforms(const cJSON *value, const cJSON *rule);

/* {"$ref": "#/$defs/name"} */
static const cJSON *refer(const char *text) {
    static const char head[] = "#/$defs/";
    if (!CHECK(!strncmp(text, head, sizeof head - 1))) return NULL;
    return member(member(schema, "$defs"), text + sizeof head - 1);
}

static bool members_conform(const cJSON *object, const cJSON *rule) {
    const cJSON *properties = member(rule, "properties"), *item, *key;
    const cJSON *others = member(rule, "additionalProperties");
    if (!cJSON_IsObject(object)) return true;
    cJSON_ArrayForEach(item, object) {
        const cJSON *own = member(properties, item->string);
        if (own ? !conforms(item, own) : others && !conforms(item, others))
            return false;
    }
    cJSON_ArrayForEach(
        key,
        member(rule, "required")) if (!member(object,
                                              key->valuestring)) return false;
    return true;
}

static bool items_conform(const cJSON *array, const cJSON *rule) {
    const cJSON *prefix = member(rule, "prefixItems"), *item;
    const cJSON *least = member(rule, "minItems");
    const cJSON *most = member(rule, "maxItems");
    int          n = 0;
    if (!cJSON_IsArray(array)) return true;
    cJSON_ArrayForEach(item, array) {
        const cJSON *own = cJSON_GetArrayItem(prefix, n++);
        if (!own) own = member(rule, "items");
        if (own && !conforms(item, own)) return false;
    }
    return (!least || n >= least->valueint) && (!most || n <= most->valueint);
}

static bool is_one_of(const cJSON *value, const cJSON *list) {
    const cJSON *one;
    cJSON_ArrayForEach(one,
                       list) if (cJSON_Compare(value, one, true)) return true;
    return false;
}

static bool any_conforms(const cJSON *value, const cJSON *list) {
    const cJSON *one;
    cJSON_ArrayForEach(one, list) if (conforms(value, one)) return true;
    return false;
}

/* One word of a rule; words that rules of their object or array read are
 * checked there. */
static bool keeps(const cJSON *value, const cJSON *word) {
    static const char *const elsewhere[] = {"$schema",
                                            "title",
                                            "description",
                                            "$defs",
                                            "required",
                                            "properties",
                                            "additionalProperties",
                                            "items",
                                            "prefixItems",
                                            "minItems",
                                            "maxItems"};
    const char              *name = word->string;
    bool                     number = cJSON_IsNumber(value);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (!strcmp(name, elsewhere[i])) return true;
    if (!strcmp(name, "type")) return has_types(value, word);
    if (!strcmp(name, "enum")) return is_one_of(value, word);
    if (!strcmp(name, "anyOf")) return any_conforms(value, word);
    if (!strcmp(name, "$ref")) return conforms(value, refer(word->valuestring));
    if (!strcmp(name, "minimum"))
        return !number || value->valuedouble >= word->valuedouble;
    if (!strcmp(name, "maximum"))
        return !number || value->valuedouble <= word->valuedouble;
    if (!strcmp(name, "minLength"))
        return !cJSON_IsString(value) ||
               strlen(value->valuestring) >= (size_t)word->valueint;
    return CHECK(!"a word that is known");
}

static bool conforms(const cJSON *value, const cJSON *rule) {
    const cJSON *word;
    if (!CHECK(cJSON_IsObject(rule))) return false;
    cJSON_ArrayForEach(word, rule) if (!keeps(value, word)) return false;
    return members_conform(value, rule) && items_conform(value, rule);
}

#define CANDIDATE                                                              \
    "{\"weight_bits\": 8, \"activation_bits\": 8, \"loss\": 0.5, \"cost\": "   \
    "{\"a\": 1}}"
#define LAYER "{\"name\": \"x\", \"candidates\": [" CANDIDATE "]}"
#define LAYER2 "{\"name\": \"y\", \"candidates\": [" CANDIDATE "]}"

#define INTERACTING                                                            \
    "{\"layers\": [" LAYER ", " LAYER2 "], \"interactions\": "                 \
    "[[\"x\", 0, 1, 0, -1.5]]}"

/* --- files ---------------------------------------------------------------- */

static cJSON *read_json(const char *path) {
    hawq_arena arena = {0};
    char      *text = NULL;
    size_t     n = 0;
    cJSON     *root = NULL;
    if (CHECK_OK(hawq_text_read(path, &arena, &text, &n)))
        root = cJSON_ParseWithLength(text, n);
    CHECK(root != NULL);
    hawq_arena_free(&arena);
    return root;
}

static void check_file(const char *path) {
    cJSON *root = read_json(path);
    bool   ok = CHECK(conforms(root, schema));
    if (!ok) printf("    %s\n", path);
    cJSON_Delete(root);
}

static void shipped_files_conform(const char *source) {
    char        path[4096];
    const char *data = check_data();
    snprintf(path, sizeof path, "%s/tests/data/search/seven_layers.json",
             source);
    check_file(path);
    if (!data) return;
    snprintf(path, sizeof path, "%s/hawq/resnet18_problem.json", data);
    check_file(path);
}

/* With budgets, groups, pins and interactions; solved, infeasible, unsolved. */
static void exports_conform(void) {
    char path[] = "/tmp/hawq_schema_XXXXXX";
    int  file = mkstemp(path);
    CHECK(file >= 0);
    close(file);
    for (int seed = 0; seed < 300; seed++) {
        hawq_problem *p =
            draw_problem((uint64_t)seed, seed % N_CLASSES, seed % 4);
        hawq_arena    arena = {0};
        hawq_solution s;
        CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &s));
        CHECK_OK(hawq_problem_write(path, p, seed % 3 ? &s : NULL));
        check_file(path);
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
    hawq_problem *p = NULL;
    CHECK_OK(
        hawq_problem_parse("x.json", INTERACTING, strlen(INTERACTING), &p));
    CHECK_OK(hawq_problem_finish(p));
    CHECK_OK(hawq_problem_write(path, p, NULL));
    check_file(path);
    hawq_problem_free(p);
    unlink(path);
}

/* --- schema and reader ---------------------------------------------------- */

static void both_say(const char *text, bool good) {
    hawq_problem *p = NULL;
    cJSON        *root = cJSON_Parse(text);
    bool          read = CHECK(root != NULL) &&
                hawq_problem_parse("x.json", text, strlen(text), &p) == HAWQ_OK;
    bool same = CHECK(conforms(root, schema) == good);
    same &= CHECK(read == good);
    if (!same) printf("    %s\n", text);
    if (read) hawq_problem_free(p);
    cJSON_Delete(root);
}

static void the_reader_agrees(void) {
    static const char *const good[] = {
        "{\"layers\": [" LAYER "]}",
        "{\"layers\": [" LAYER "], \"budgets\": {\"a\": 0}}",
        "{\"layers\": [" LAYER "], \"remark\": \"a text\"}", INTERACTING,
        "{\"layers\": [{\"name\": \"x\", \"group\": \"g\", \"params\": 12, "
        "\"unit\": \"us\", \"candidates\": [" CANDIDATE "]}]}"};
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"layers\": {}}",
        "{\"layers\": []}",
        "{\"layers\": [" LAYER "], \"budget\": {\"a\": 1}}",
        "{\"layers\": [" LAYER "], \"budgets\": {\"a\": -1}}",
        "{\"layers\": [" LAYER "], \"budgets\": {\"a\": \"1\"}}",
        "{\"layers\": [{\"candidates\": [" CANDIDATE "]}]}",
        "{\"layers\": [{\"name\": \"\", \"candidates\": [" CANDIDATE "]}]}",
        "{\"layers\": [{\"name\": \"x\"}]}",
        "{\"layers\": [{\"name\": \"x\", \"candidates\": []}]}",
        "{\"layers\": [{\"name\": \"x\", \"params\": -1, \"candidates\": "
        "[" CANDIDATE "]}]}",
        "{\"layers\": [{\"name\": \"x\", \"parms\": 1, \"candidates\": "
        "[" CANDIDATE "]}]}",
        "{\"layers\": [{\"name\": \"x\", \"candidates\": [{\"weight_bits\": 0, "
        "\"activation_bits\": 8, \"loss\": 1, \"cost\": {\"a\": 1}}]}]}",
        "{\"layers\": [{\"name\": \"x\", \"candidates\": [{\"weight_bits\": "
        "2.5, \"activation_bits\": 8, \"loss\": 1, \"cost\": {\"a\": 1}}]}]}",
        "{\"layers\": [{\"name\": \"x\", \"candidates\": [{\"weight_bits\": 4, "
        "\"activation_bits\": 8, \"loss\": \"1\", \"cost\": {\"a\": 1}}]}]}",
        "{\"layers\": [{\"name\": \"x\", \"candidates\": [{\"weight_bits\": 4, "
        "\"activation_bits\": 8, \"loss\": 1, \"cost\": {\"a\": -1}}]}]}",
        "{\"layers\": [{\"name\": \"x\", \"candidates\": [{\"weight_bits\": 4, "
        "\"activation_bits\": 8, \"loss\": 1}]}]}",
        "{\"layers\": [" LAYER ", " LAYER2 "], \"interactions\": "
        "[[\"x\", 0, 1, 0]]}",
        "{\"layers\": [" LAYER ", " LAYER2 "], \"interactions\": "
        "[[\"x\", 0, 1, 0, \"much\"]]}",
        "{\"layers\": [" LAYER ", " LAYER2 "], \"interactions\": "
        "[[\"x\", -1, 1, 0, 2]]}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        both_say(good[i], true);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        both_say(bad[i], false);
}

int main(void) {
    const char *source = getenv("HAWQ_SOURCE");
    char        path[4096];
    if (!source) source = ".";
    snprintf(path, sizeof path, "%s/tests/data/search/problem.schema.json",
             source);
    cJSON *root = read_json(path);
    schema = root;
    shipped_files_conform(source);
    exports_conform();
    the_reader_agrees();
    cJSON_Delete(root);
    DONE();
}
