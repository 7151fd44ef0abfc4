/* test_memory.c -- what hawq-analyze says it will take, and what it takes.
 *
 * Claims: the peak of a whole run is what --verbose predicted, for one thread
 * and for several, for traces and for all products; --memory is kept by giving
 * up threads, and the results are the same bytes; a budget that is too small is
 * refused before the database is touched, with the smallest one that works,
 * which works, and with what needs so much, be it loading alone; and once
 * everything is prepared, a run asks for no memory: its only request is the
 * store's.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/analyze/analysis.h"
#include "src/cli/kit/data_options.h"
#include "tests/program.h"

enum { IMAGES = 64, SIDE = 28 };
static char model[1024];

/* Whose own memory would be measured. */
#if defined(__SANITIZE_ADDRESS__)
static const bool sanitized = true;
#elif defined(__has_feature)
static const bool sanitized = __has_feature(address_sanitizer);
#else
static const bool sanitized = false;
#endif

/* --- data ------------------------------------------------------------------
 */

static void put_u32(FILE *f, unsigned x) {
    for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(x >> shift), f);
}

static bool write_data(void) {
    FILE *x = fopen("img-images-idx3-ubyte", "wb");
    FILE *y = fopen("img-labels-idx1-ubyte", "wb");
    if (!CHECK(x && y)) return false;
    put_u32(x, 0x803);
    put_u32(y, 0x801);
    put_u32(x, IMAGES);
    put_u32(y, IMAGES);
    put_u32(x, SIDE);
    put_u32(x, SIDE);
    for (unsigned i = 0; i < IMAGES * SIDE * SIDE; i++)
        fputc((int)(i * 2654435761u >> 24), x);
    for (unsigned i = 0; i < IMAGES; i++) fputc((int)(i % 10), y);
    return fclose(x) + fclose(y) == 0;
}

/* --- programs --------------------------------------------------------------
 */

static bool analyze(const char *options, int want) {
    char command[2048];
    snprintf(command, sizeof command,
             "hawq-analyze %s --data idx:img --scale 0.0039 -n 3 --images 16 "
             "--format json --verbose %s",
             model, options);
    return program_step(command, want);
}

/* The first size after `text` on stderr, in MiB. */
static double mebibytes(const char *text) {
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB"};
    const char              *at = strstr(program_err, text);
    double                   value = NAN;
    char                     name[8] = "";
    if (!CHECK(at && sscanf(at + strlen(text), "%lf%*[ ]%3s", &value, name)))
        return NAN;
    for (int i = 0; i < 4; i++)
        if (strcmp(unit[i], name) == 0) return value * pow(1024, i - 2);
    return NAN;
}

/* Libraries vary by some MiB from machine to machine; a plane of all
 * activations of one thread, forgotten or counted twice, is 3 MiB here. */
static void peak_is_predicted(void) {
    static const char *const run[] = {"-m trace -t 1", "-m trace -t 4",
                                      "-m trace,measured,cross -t 1",
                                      "-m gauss-newton,hybrid,sqnr -t 16"};
    for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
        if (!analyze(run[i], 0)) return;
        double want = mebibytes("memory: predicted at most "),
               got = mebibytes("memory used at most: ");
        printf("%-34s predicted %.1f MiB, used %.1f MiB\n", run[i], want, got);
        CHECK(got < 1.03 * want + 3 && got > 0.75 * want - 3);
    }
}

static void budget_is_kept(void) {
    static char whole[PROGRAM_TEXT];
    double      all, half;
    char        options[64];
    if (!analyze("-t 8 --db whole.db", 0)) return;
    memcpy(whole, program_out, sizeof whole);
    all = mebibytes("memory: predicted at most ");
    half = floor(all / 2);
    snprintf(options, sizeof options, "-t 8 --db half.db --memory %.0fMiB",
             half);
    if (!analyze(options, 0)) return;
    CHECK(strstr(program_err, "instead of 8, to fit in memory") != NULL);
    CHECK(mebibytes("memory: predicted at most ") <= half);
    CHECK(mebibytes("memory used at most: ") <= half + 3);
    CHECK(strcmp(whole, program_out) == 0);
}

static void too_small_is_refused(void) {
    char     options[64];
    unsigned need = 0;
    if (!analyze("-t 8 --db small.db --memory 1MiB", 2)) return;
    CHECK(access("small.db", F_OK) != 0);
    CHECK(strstr(program_err, "--memory 1.0 MiB is too small") != NULL);
    const char *at = strstr(program_err, "needs ");
    CHECK(at && sscanf(at, "needs %uMiB", &need) == 1 && need > 1);
    snprintf(options, sizeof options, "-t 8 --db s.db --memory %uMiB", need);
    if (analyze(options, 0))
        CHECK(mebibytes("memory used at most: ") <= need + 3);
}

/* PREFIX-KIND-ubyte of n black images, or of n labels 0. */
static bool write_zeros(const char *name, unsigned n, unsigned side) {
    FILE *f = fopen(name, "wb");
    if (!CHECK(f != NULL)) return false;
    put_u32(f, side ? 0x803 : 0x801);
    put_u32(f, n);
    for (int i = 0; side && i < 2; i++) put_u32(f, side);
    long head = ftell(f);
    return CHECK(fclose(f) == 0) &&
           CHECK(truncate(name, head + (long)n * (side ? side * side : 1)) ==
                 0);
}

/* 45 MiB of images are read, to keep 64 of them. */
static void loading_is_named(void) {
    static const char what[] = "loading the model and the data alone needs ";
    enum { MANY = 60000 };
    char     command[2048];
    unsigned need = 0;
    if (!write_zeros("many-images-idx3-ubyte", MANY, SIDE) ||
        !write_zeros("many-labels-idx1-ubyte", MANY, 0))
        return;
    snprintf(command, sizeof command,
             "hawq-analyze %s --data idx:many --limit 64 -m depth --db l.db "
             "--memory 30MiB",
             model);
    if (!program_step(command, 2)) return;
    const char *at = strstr(program_err, what);
    CHECK(at && sscanf(at + strlen(what), "%uMiB", &need) == 1 && need > 45);
    CHECK(access("l.db", F_OK) != 0);
}

/* --- from inside ------------------------------------------------------- */

/* One without and one with products: different stages are the largest. */
static const char *metrics;

static hawq_status prepared_run(hawq_cli *cli) {
    hawq_analysis a = {.cli = cli,
                       .model_path = model,
                       .data_text = "img",
                       .metrics = metrics,
                       .bits = {3, {8, 4, 2}},
                       .activation_bits = {2, {8, 4}},
                       .samples = 3,
                       .batch_size = 32,
                       .images = 16};
    hawq_status   status = hawq_analysis_prepare(&a);
    hawq_arena_fail_at(2); /* the first is the store's own */
    if (status == HAWQ_OK) status = hawq_analysis_run(&a);
    hawq_arena_fail_at(0);
    hawq_analysis_close(&a);
    return status;
}

/* mains are in the programs: this is one more. */
const hawq_command hawq_command_this = {.name = "test",
                                        .summary = "",
                                        .usage = "",
                                        .options = {hawq_data_rows},
                                        .run = prepared_run};

static void run_takes_nothing(const char *wanted) {
    metrics = wanted;
    char *argv[] = {"test", "--data", "idx:img", "--quiet", "--db", "in.db",
                    "-t",   "3",      "--scale", "0.0039",  NULL};
    CHECK(hawq_cli_main(&hawq_command_this, 10, argv) == 0);
}

int main(void) {
    const char *source = getenv("HAWQ_SOURCE");
    if (!CHECK(source && program_open())) DONE();
    snprintf(model, sizeof model, "%s/tests/data/fashion_resnet8.onnx", source);
    if (write_data()) {
        run_takes_nothing("trace");
        run_takes_nothing("trace,gauss-newton,measured,sqnr,quadratic,cross,"
                          "hybrid,depth");
    }
    if (sanitized) {
        printf("skipped: peaks, which are the sanitizer's\n");
    } else if (!check_failed) {
        peak_is_predicted();
        budget_is_kept();
        too_small_is_refused();
        loading_is_named();
    }
    program_close();
    DONE();
}
