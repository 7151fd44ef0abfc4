/* test_formats.c -- the names of formats, candidates and methods.
 *
 * Claims: every name is read as it is printed, with and without groups and
 * outliers, with every method; what is none is refused with a reason.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/method.h"
#include "tests/check.h"

static const char *const formats[] = {
    "w8",   "w7",  "w6",  "w5",  "w4",  "w3",  "w2",  "w8f",
    "w7f",  "w6f", "w5f", "w4f", "w3f", "w2f", "w7c", "w6c",
    "w5c",  "w4c", "w3c", "w2c", "w1",  "t",   "nf4", "log4",
    "log3", "k4",  "k3",  "k2",  "k4l", "k3l", "k2l"};
enum { FORMATS = sizeof formats / sizeof *formats };
static const char *const suffixes[] = {"", "g64", "+0.5%", "g8+10%",
                                       "g65536+0.01%"};

static void names_are_read_as_printed(void) {
    for (int i = 0; i < FORMATS; i++)
        for (int k = 0; k < 5; k++) {
            char           name[64], text[HAWQ_CANDIDATE_TEXT];
            hawq_candidate c;
            snprintf(name, sizeof name, "%s%s", formats[i], suffixes[k]);
            if (!CHECK_OK(hawq_candidate_read(name, &c))) continue;
            CHECK(c.method == &hawq_method_nearest);
            CHECK(!strcmp(hawq_candidate_text(&c, text), name));
        }
    int                       n;
    const hawq_method *const *all = hawq_methods(&n);
    for (int i = 0; i < n; i++) {
        char           name[64], text[HAWQ_CANDIDATE_TEXT];
        hawq_candidate c;
        snprintf(name, sizeof name, "w2cg64+0.5%%:%s", all[i]->name);
        if (!CHECK_OK(hawq_candidate_read(name, &c))) continue;
        CHECK(c.method == all[i] && all[i]->summary);
        if (i) CHECK(!strcmp(hawq_candidate_text(&c, text), name));
    }
}

static void what_is_no_name_is_refused(void) {
    static const char *const bad[][2] = {
        {"w9", "does not begin with"},  {"w0", "does not begin with"},
        {"w8c", "does not begin with"}, {"w1f", "does not begin with"},
        {"k5", "does not begin with"},  {"log2", "does not begin with"},
        {"tt", "does not begin with"},  {"", "does not begin with"},
        {"w4g7", "8 to 65536"},         {"w4g", "8 to 65536"},
        {"w4+0%", "share above 0"},     {"w4+11%", "share above 0"},
        {"w4+1", "share above 0"},      {"floatg64", "integer formats"},
        {"f16:gptq", "no choice"},      {"w4:gtpq", "is not a method"},
        {"w4 gptq", "behind a colon"},  {"w4+nan%", "share above 0"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hawq_candidate c;
        CHECK(hawq_candidate_read(bad[i][0], &c) == HAWQ_EINVAL);
        CHECK(strstr(hawq_message(), bad[i][1]));
    }
    hawq_arena      arena = {0};
    hawq_candidate *list;
    int             n = 0;
    CHECK_OK(hawq_candidates_read("w4,t:kron,8", &arena, &n, &list));
    CHECK(n == 3 && list[2].format.bits == 8);
    CHECK_FAILS(hawq_candidates_read("w4,4", &arena, &n, &list), HAWQ_EINVAL,
                "given twice");
    hawq_arena_free(&arena);
}

int main(void) {
    names_are_read_as_printed();
    what_is_no_name_is_refused();
    DONE();
}
