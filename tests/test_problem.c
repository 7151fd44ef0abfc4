/* test_problem.c -- building, reading and writing allocation problems.
 *
 * Claim: every input that is no problem ends with the sentence written here;
 * what is written reads back as the same problem; the costs of an analysed
 * network, and what is used of its measured rises, are those of the formulas in
 * records.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem_json.h"
#include "search/records.h"
#include "tests/check.h"

#include <unistd.h>

static const double         one[2] = {1, 2};
static const hawq_cost_kind kinds[2] = {{"a", 1, NULL, 0},
                                        {"b", 1, "bytes", 0}};
static const hawq_priced    pair[2] = {{8, 8, 0.5, one, NULL},
                                       {4, 8, 1.5, one, NULL}};
static const hawq_priced    other[2] = {{8, 8, 0.5, one, NULL},
                                        {2, 8, 1.5, one, NULL}};

/* CHECK_FAILS for a sentence that is not a literal */
static void check_sentence(hawq_status got, hawq_status want,
                           const char *sentence) {
    if (CHECK(got == want && strstr(hawq_message(), sentence))) return;
    printf("    expected: %s\n    message:  %s\n", sentence, hawq_message());
}

static hawq_problem *empty_problem(void) {
    hawq_problem *p = NULL;
    CHECK_OK(hawq_problem_new(2, kinds, &p));
    return p;
}

/* --- building ------------------------------------------------------------- */

static void bad_kinds(void) {
    hawq_cost_kind twice[2] = {{"a", 1, NULL, 0}, {"a", 1, NULL, 0}};
    hawq_cost_kind nameless[1] = {{"", 1, NULL, 0}};
    hawq_problem  *p;
    CHECK_FAILS(hawq_problem_new(2, twice, &p), HAWQ_EFORMAT,
                "cost 'a' is named twice");
    CHECK_FAILS(hawq_problem_new(1, nameless, &p), HAWQ_EFORMAT,
                "a cost has an empty name");
}

static void refuse(const hawq_priced *c, hawq_status code,
                   const char *sentence) {
    hawq_problem *p = empty_problem();
    check_sentence(hawq_problem_add(p, "l", NULL, 0, 1, c), code, sentence);
    hawq_problem_free(p);
}

static void bad_candidates(void) {
    double bad[2] = {1, NAN}, endless[2] = {1, INFINITY}, negative[2] = {-1, 1};
    refuse(&(hawq_priced){0, 8, 1, one, NULL}, HAWQ_EFORMAT,
           "layer 'l', candidate 0: 0 weight bits and 8 activation bits; both "
           "must be in 1 ... 32");
    refuse(&(hawq_priced){8, 33, 1, one, NULL}, HAWQ_EFORMAT, "33 activation");
    refuse(&(hawq_priced){8, 8, NAN, one, NULL}, HAWQ_ENONFINITE,
           "layer 'l', candidate 0: the loss is not finite");
    refuse(&(hawq_priced){8, 8, -INFINITY, one, NULL}, HAWQ_ENONFINITE,
           "the loss is not finite");
    refuse(&(hawq_priced){8, 8, 1, bad, NULL}, HAWQ_ENONFINITE,
           "layer 'l', candidate 0: the cost 'b' is not finite");
    refuse(&(hawq_priced){8, 8, 1, endless, NULL}, HAWQ_ENONFINITE,
           "the cost 'b' is not finite");
    refuse(&(hawq_priced){8, 8, 1, negative, NULL}, HAWQ_EFORMAT,
           "layer 'l', candidate 0: the cost 'a' is negative (-1)");
}

static void bad_layers(void) {
    hawq_problem *p = empty_problem();
    CHECK_FAILS(hawq_problem_add(p, "", NULL, 0, 2, pair), HAWQ_EFORMAT,
                "layer 0 has an empty name");
    CHECK_FAILS(hawq_problem_add(p, "l", NULL, 0, 0, pair), HAWQ_EFORMAT,
                "layer 'l' has no candidates");
    CHECK_FAILS(hawq_problem_add(p, "l", NULL, 0, 70000, pair), HAWQ_EFORMAT,
                "layer 'l' has 70000 candidates; at most 65535");
    CHECK_OK(hawq_problem_add(p, "l", NULL, 0, 2, pair));
    CHECK_FAILS(hawq_problem_add(p, "l", NULL, 0, 2, pair), HAWQ_EFORMAT,
                "two layers are named 'l'");
    hawq_problem_free(p);
    p = empty_problem();
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_EFORMAT, "has no layers");
    hawq_problem_free(p);
}

static void bad_sums(void) {
    hawq_problem *p = empty_problem();
    hawq_priced   huge = {8, 8, 1e308, one, NULL};
    CHECK_OK(hawq_problem_add(p, "l", NULL, 0, 1, &huge));
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_ENONFINITE,
                "the sum of the losses over the layers overflows");
    hawq_problem_free(p);
    p = empty_problem();
    double dear[2] = {1, 1e308};
    huge = (hawq_priced){8, 8, 1, dear, NULL};
    CHECK_OK(hawq_problem_add(p, "l", NULL, 0, 1, &huge));
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_ENONFINITE,
                "the sum of the costs 'b' over the layers overflows");
    hawq_problem_free(p);
}

static hawq_problem *two_layers(const char *group, const hawq_priced *second) {
    hawq_problem *p = empty_problem();
    CHECK_OK(hawq_problem_add(p, "l0", group, 0, 2, pair));
    CHECK_OK(hawq_problem_add(p, "l1", group, 0, 2, second));
    return p;
}

static void groups_and_pins(void) {
    static const char *const both[] = {"l0", "l1"}, *const wrong[] = {"l0",
                                                                      "x"};
    hawq_problem *p = two_layers("g", other);
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_EFORMAT,
                "layers 'l0' and 'l1' are in one group (g) but differ in the "
                "widths of their candidates");
    hawq_problem_free(p);
    p = two_layers(NULL, pair);
    CHECK_OK(hawq_problem_tie(p, 2, wrong, "why"));
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_EINVAL,
                "group: there is no layer 'x'");
    hawq_problem_free(p);
    p = two_layers(NULL, pair);
    CHECK_OK(hawq_problem_pin(p, "x", 4, HAWQ_PIN_BY_NAME));
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_EINVAL,
                "pin x=4: there is no layer 'x'");
    hawq_problem_free(p);
    p = two_layers(NULL, pair);
    CHECK_OK(hawq_problem_pin(p, "l1", 2, HAWQ_PIN_BY_NAME));
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_EINVAL,
                "pin l1=2: the layer has no candidate of 2 bits");
    hawq_problem_free(p);
    p = two_layers(NULL, pair);
    CHECK_OK(hawq_problem_tie(p, 2, both, "one buffer"));
    CHECK_OK(hawq_problem_pin(p, "l0", 4, HAWQ_PIN_BY_NAME));
    CHECK_OK(hawq_problem_pin(p, "l1", 8, HAWQ_PIN_BY_NAME));
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_EINVAL,
                "pin l1=8 contradicts l0=4, which is as specific: the layers "
                "are in one group (l1)");
    hawq_problem_free(p);
    p = two_layers(NULL, pair);
    CHECK_OK(hawq_problem_tie(p, 2, both, "one buffer"));
    CHECK_OK(hawq_problem_finish(p));
    CHECK(p->n_groups == 1 && p->group[0].n_layers == 2);
    CHECK(!strcmp(p->group[0].reason, "one buffer"));
    hawq_problem_free(p);
}

/* Layers of a group may list their candidates in any order. */
static void groups_match_by_width(void) {
    static const hawq_priced reversed[2] = {{4, 8, 10, one, NULL},
                                            {8, 8, 0, one, NULL}};
    hawq_problem            *p = two_layers("g", reversed);
    hawq_arena               arena = {0};
    hawq_solution            s;
    CHECK_OK(hawq_problem_finish(p));
    CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &s));
    CHECK(s.objective == 0.5);
    CHECK(hawq_problem_candidate(p, 0, s.choice[0])->weight_bits == 8);
    CHECK(hawq_problem_candidate(p, 1, s.choice[0])->weight_bits == 8);
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

static void bad_budgets(void) {
    hawq_problem *p = two_layers(NULL, pair);
    CHECK_FAILS(hawq_problem_budget(p, "c", 1), HAWQ_EINVAL,
                "budget 'c': no such cost; the problem has a, b");
    CHECK_FAILS(hawq_problem_budget(p, "a", -1), HAWQ_EINVAL,
                "budget 'a': -1 is not a finite number >= 0");
    CHECK_FAILS(hawq_problem_budget(p, "a", NAN), HAWQ_EINVAL, "finite");
    CHECK_OK(hawq_problem_budget(p, "a", 1));
    CHECK_FAILS(hawq_problem_budget(p, "a", 2), HAWQ_EINVAL,
                "budget 'a' is given twice");
    hawq_problem_free(p);
    hawq_problem *none;
    CHECK_OK(hawq_problem_new(0, NULL, &none));
    CHECK_FAILS(hawq_problem_budget(none, "a", 1), HAWQ_EINVAL,
                "the problem has no costs");
    hawq_problem_free(none);
}

/* --- files ---------------------------------------------------------------- */

static void refuse_text(const char *text, hawq_status code,
                        const char *sentence) {
    hawq_problem *p = NULL;
    char          whole[256];
    snprintf(whole, sizeof whole, "p.json: %s", sentence);
    check_sentence(hawq_problem_parse("p.json", text, strlen(text), &p), code,
                   whole);
}

#define CANDIDATE                                                              \
    "{\"weight_bits\":4,\"activation_bits\":8,\"loss\":1,\"cost\":{\"a\":1}}"
#define LAYER(fields) "{\"layers\":[{\"name\":\"l\"" fields "}]}"
#define FIRST(candidate) LAYER(",\"candidates\":[" candidate "]")
#define SECOND(candidate) FIRST(CANDIDATE "," candidate)

static void bad_files(void) {
    refuse_text("{\n\"layers\": [\n{]}", HAWQ_EFORMAT,
                "line 3: not valid JSON");
    refuse_text("{\"layers\": [", HAWQ_EFORMAT, "line 1: not valid JSON");
    refuse_text("{} {}", HAWQ_EFORMAT, "line 1: not valid JSON");
    refuse_text("[]", HAWQ_EFORMAT, "the file is not a JSON object");
    refuse_text("{}", HAWQ_EFORMAT, "\"layers\" is missing or not a list");
    refuse_text("{\"layers\":[]}", HAWQ_EFORMAT, "\"layers\" is empty");
    refuse_text("{\"layer\":[]}", HAWQ_EFORMAT,
                "the file: unknown key \"layer\"");
    refuse_text("{\"layers\":[],\"layers\":[]}", HAWQ_EFORMAT,
                "the file: key \"layers\" comes twice");
    refuse_text("{\"layers\":[3]}", HAWQ_EFORMAT, "layer 0 is not an object");
    refuse_text("{\"layers\":[{}]}", HAWQ_EFORMAT,
                "layer 0: \"name\" is missing or not a text");
    refuse_text(LAYER(""), HAWQ_EFORMAT,
                "layer 'l': \"candidates\" is missing or not a list");
    refuse_text(LAYER(",\"grup\":3"), HAWQ_EFORMAT,
                "layer 'l': unknown key \"grup\"");
    refuse_text(LAYER(",\"group\":3"), HAWQ_EFORMAT,
                "layer 'l': \"group\" is not a text");
    refuse_text(LAYER(",\"activation_group\":3"), HAWQ_EFORMAT,
                "layer 'l': \"activation_group\" is not a text");
    refuse_text(LAYER(",\"params\":1.5,\"candidates\":[]"), HAWQ_EFORMAT,
                "layer 'l': \"params\" is 1.5, not a whole number");
    refuse_text(FIRST(""), HAWQ_EFORMAT, "layer 'l' has no candidates");
    refuse_text(FIRST("7"), HAWQ_EFORMAT,
                "layer 'l', candidate 0 is not an object");
    refuse_text(FIRST("{}"), HAWQ_EFORMAT,
                "layer 'l', candidate 0: \"weight_bits\" is missing");
    refuse_text(FIRST("{\"weight_bits\":\"4\"}"), HAWQ_EFORMAT,
                "layer 'l', candidate 0: \"weight_bits\" is not a number");
    refuse_text(FIRST("{\"weight_bits\":4.5}"), HAWQ_EFORMAT,
                "layer 'l', candidate 0: \"weight_bits\" is 4.5, not a whole "
                "number in 0 ... 32");
}

static void bad_costs(void) {
#define BITS "{\"weight_bits\":4,\"activation_bits\":8"
    refuse_text(FIRST(BITS "}"), HAWQ_EFORMAT,
                "layer 'l', candidate 0: \"loss\" is missing");
    refuse_text(FIRST(BITS ",\"loss\":1}"), HAWQ_EFORMAT,
                "layer 'l', candidate 0: \"cost\" is missing");
    refuse_text(FIRST(BITS ",\"loss\":1,\"cost\":3}"), HAWQ_EFORMAT,
                "layer 'l', candidate 0: \"cost\" is not an object");
    refuse_text(FIRST(BITS ",\"loss\":1e999,\"cost\":{}}"), HAWQ_ENONFINITE,
                "layer 'l', candidate 0: the loss is not finite");
    refuse_text(SECOND(BITS ",\"loss\":1,\"cost\":{}}"), HAWQ_EFORMAT,
                "layer 'l', candidate 1: the cost \"a\" is missing or not a "
                "number");
    refuse_text(SECOND(BITS ",\"loss\":1,\"cost\":{\"a\":1,\"b\":1}}"),
                HAWQ_EFORMAT,
                "layer 'l', candidate 1: the first candidate of the file has "
                "no cost \"b\"; all must have the same");
    refuse_text(SECOND(BITS ",\"loss\":1,\"cost\":{\"a\":1,\"a\":1}}"),
                HAWQ_EFORMAT, "layer 'l', candidate 1: a cost comes twice");
    refuse_text(SECOND(BITS ",\"loss\":1,\"cost\":{\"a\":-1}}"), HAWQ_EFORMAT,
                "layer 'l', candidate 1: the cost 'a' is negative (-1)");
    refuse_text("{\"layers\":[{\"name\":\"l\",\"candidates\":[" CANDIDATE
                "]}],\"budgets\":{\"b\":1}}",
                HAWQ_EFORMAT, "budget 'b': no such cost; the problem has a");
    refuse_text("{\"layers\":[{\"name\":\"l\",\"candidates\":[" CANDIDATE
                "]}],\"budgets\":{\"a\":\"1\"}}",
                HAWQ_EFORMAT, "budget \"a\" is not a number");
    refuse_text("{\"layers\":[{\"name\":\"l\",\"candidates\":[" CANDIDATE
                "]}],\"budgets\":3}",
                HAWQ_EFORMAT, "\"budgets\" is not an object");
}

static const char *fixture(char *path, size_t n) {
    snprintf(path, n, "%s/tests/data/search/seven_layers.json",
             getenv("HAWQ_SOURCE") ? getenv("HAWQ_SOURCE") : ".");
    return path;
}

static void bad_paths(void) {
    hawq_problem *p;
    CHECK_FAILS(hawq_problem_read("no/such.json", &p), HAWQ_EIO,
                "no/such.json: No such file or directory");
    CHECK_FAILS(hawq_problem_read("/dev/null", &p), HAWQ_EFORMAT,
                "/dev/null: the file is empty");
    CHECK_FAILS(hawq_problem_read("/", &p), HAWQ_EIO, "/: Is a directory");
}

static void same_answer(const hawq_problem *a, const hawq_problem *b) {
    hawq_arena    arena = {0};
    hawq_solution x, y;
    CHECK_OK(hawq_solve(a, NULL, NULL, &arena, &x));
    CHECK_OK(hawq_solve(b, NULL, NULL, &arena, &y));
    CHECK(x.objective == y.objective && x.n_budgets == y.n_budgets);
    for (int i = 0; i < x.n_budgets; i++)
        CHECK(x.budget[i].used == y.budget[i].used &&
              x.budget[i].limit == y.budget[i].limit);
    hawq_arena_free(&arena);
}

/* Written with its answer and pins, read back, it is the same problem. */
static void round_trip(void) {
    char          path[4096], copy[] = "/tmp/hawq_problem_XXXXXX";
    hawq_problem *p, *q;
    hawq_arena    arena = {0};
    hawq_solution s;
    CHECK_OK(hawq_problem_read(fixture(path, sizeof path), &p));
    CHECK_OK(hawq_problem_pin(p, "head", 4, HAWQ_PIN_BY_NAME));
    CHECK_OK(hawq_problem_finish(p));
    CHECK(p->n_layers == 7 && p->n_groups == 6 && p->n_budgets == 2);
    CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &s));
    int file = mkstemp(copy);
    CHECK(file >= 0 && close(file) == 0);
    CHECK_OK(hawq_problem_write(copy, p, &s));
    CHECK_OK(hawq_problem_read(copy, &q));
    CHECK_OK(hawq_problem_finish(q));
    CHECK(q->n_groups == 6 && q->layer[6].n_candidates == 1);
    CHECK(q->layer[0].params == p->layer[0].params);
    same_answer(p, q);
    CHECK_FAILS(hawq_problem_write("/no/such/folder/x.json", p, &s), HAWQ_EIO,
                "/no/such/folder/x.json: cannot be written");
    remove(copy);
    hawq_arena_free(&arena);
    hawq_problem_free(p);
    hawq_problem_free(q);
}

/* --- analysed networks ---------------------------------------------------- */

static const hawq_layer_record layer[2] = {
    {"conv", "Conv", 27, 1000, 3, "conv"}, {"fc", "Gemm", 100, 100, 10, "fc"}};
static const hawq_sensitivity_record sensitivity[3] = {
    {0, "trace", 8, 0.1, 0, NULL, 0, 0},
    {0, "trace", 4, 0.4, 0, NULL, 0, 0},
    {1, "trace", 4, 0.3, 0, NULL, 0, 0}};

static void costs_of_a_network(void) {
    hawq_problem *p;
    bool          found;
    int           choice[2] = {1, 0};
    CHECK_OK(hawq_problem_from_records(2, layer, 3, sensitivity, 0, NULL, &p));
    CHECK_OK(hawq_problem_finish(p));
    /* 27 * 4 bits = 13.5 bytes, 100 * 4 bits = 50 bytes, 13 scales */
    CHECK(hawq_problem_sum(p, 0, choice) == 14 + 50 + 4 * 13);
    CHECK(hawq_problem_sum(p, 1, choice) == 4 * 8 * 1100);
    CHECK(hawq_problem_sum(p, 2, choice) == 4);
    CHECK(hawq_problem_uniform8(p, 0, &found) == 127 + 4 * 13 && found);
    CHECK(hawq_problem_uniform8(p, 1, &found) == 8 * 8 * 1100 && found);
    CHECK(hawq_problem_uniform8(p, 2, &found) == 8 && found);
    CHECK(hawq_problem_find_kind(p, "latency") < 0);
    hawq_problem_free(p);
}

static void times_of_a_network(void) {
    static const hawq_layer_timing time[] = {{"conv", 8, 8, "k", 5, NULL},
                                             {"conv", 4, 8, "k", 3, NULL},
                                             {"fc", 8, 8, "k", 2, NULL},
                                             {"fc", 4, 8, "k", 1, NULL}};
    hawq_problem                  *p;
    int                            choice[2] = {1, 0};
    bool                           found;
    CHECK_OK(hawq_problem_from_records(2, layer, 3, sensitivity, 4, time, &p));
    CHECK_OK(hawq_problem_finish(p));
    CHECK(hawq_problem_sum(p, 3, choice) == 4);
    CHECK(hawq_problem_uniform8(p, 3, &found) == 7 && found);
    hawq_problem_free(p);
    CHECK_FAILS(
        hawq_problem_from_records(2, layer, 3, sensitivity, 3, time, &p),
        HAWQ_ESTATE,
        "latency: layer 'fc' has not been timed at 4 bits on this machine");
    CHECK_FAILS(
        hawq_problem_from_records(2, layer, 2, sensitivity, 0, NULL, &p),
        HAWQ_EFORMAT, "layer 'fc' has no candidates");
}

/* Measured rises of few images may be below 0, and fall with the bits. */
static void noise_is_no_gain(void) {
    static const int       readers[2] = {0, 1};
    static const hawq_rise a[3] = {{8, 0.25, 0.125}, {4, -1, 0.5}, {2, 1, 0}};
    static const hawq_rise b[3] = {{8, -2, 1}, {4, -0.5, 0.5}, {2, 0.125, 0}};
    static const double    want[2][3] = {{0.25, 0.25, 1}, {0, 0.48, 0.48}};
    hawq_arena             arena = {0};
    hawq_activation_record r[3] = {{"x", "max", 1, readers, 3, a},
                                   {"image", "max", 1, readers, 3, b},
                                   {"image", "max", 2, readers, 3, b}};
    CHECK_OK(hawq_rises_use(r, 3, "image", &arena));
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < 3; i++)
            CHECK_NEAR(hawq_rise_find(&r[t], a[i].bits)->value, want[t][i],
                       1e-12);
    CHECK(hawq_rise_find(&r[0], 4)->stderr1 == 0.125); /* that of 8 bits */
    CHECK(hawq_rise_find(&r[0], 32)->value == 0.25);
    CHECK(hawq_rise_find(&r[1], 32)->bits == 32); /* free to its only reader */
    CHECK(hawq_rise_find(&r[1], 32)->value == 0);
    CHECK(hawq_rise_find(&r[2], 32)->bits == 8);
    CHECK(hawq_rise_find(&r[0], 3) == NULL && a[1].value == -1);
    hawq_arena_free(&arena);
}

static void memory_may_run_out(void) {
    char path[4096];
    fixture(path, sizeof path);
    for (long k = 1; k < 8; k++) {
        hawq_problem *p = NULL;
        hawq_arena_fail_at(k);
        hawq_status status = hawq_problem_read(path, &p);
        if (status == HAWQ_OK) status = hawq_problem_finish(p);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_OK || status == HAWQ_ENOMEM);
        hawq_problem_free(p);
    }
}

/* A fixed cost is in every sum, once, and in the uniform network's. */
static void fixed_costs_are_in_every_sum(void) {
    const hawq_cost_kind kind = {"bytes", 1, "bytes", 0};
    const double         cost[] = {8, 4};
    const hawq_priced    c[] = {{8, 8, 0, &cost[0], NULL},
                                {4, 8, 1, &cost[1], NULL}};
    hawq_problem        *p = NULL;
    bool                 found;
    CHECK_OK(hawq_problem_new(1, &kind, &p));
    CHECK_OK(hawq_problem_add(p, "a", NULL, 1, 2, c));
    CHECK_OK(hawq_problem_add(p, "b", NULL, 1, 2, c));
    CHECK_OK(hawq_problem_add_fixed(p, "bytes", 100));
    CHECK_OK(hawq_problem_add_fixed(p, "seconds", 100)); /* no such kind */
    CHECK_OK(hawq_problem_finish(p));
    CHECK(hawq_problem_sum(p, 0, (int[]){0, 1}) == 112);
    CHECK(hawq_problem_sum(p, 0, (int[]){1, 1}) == 108);
    CHECK(hawq_problem_uniform8(p, 0, &found) == 116 && found);
    hawq_problem_free(p);
}

int main(void) {
    bad_kinds();
    bad_candidates();
    bad_layers();
    bad_sums();
    groups_and_pins();
    groups_match_by_width();
    bad_budgets();
    bad_files();
    bad_costs();
    bad_paths();
    round_trip();
    costs_of_a_network();
    times_of_a_network();
    noise_is_no_gain();
    fixed_costs_are_in_every_sum();
    memory_may_run_out();
    DONE();
}
