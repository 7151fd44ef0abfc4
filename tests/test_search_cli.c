/* test_search_cli.c -- hawq-search from outside.
 *
 * Claims: candidates can be pairs of weight and activation widths, and an error
 * that the predicted loss leaves out is not passed over in silence; on a
 * network of ResNet18's shape with equal widths of weights and activations the
 * ties are exactly the published ones, and they can be undone and added to;
 * pins may be patterns. Every answer about an allocation is true of it: each
 * alternative's regret is what pinning it costs, the least bytes under a loss
 * are the least, the nearest budgets are met when given, and the confidence
 * does not depend on anything but samples and seed. A front is shown in part
 * where it is long and whole where asked, and drawn.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/searching.h"

/* --- bad usage, before anything is read -------------------------------------
 */

static void refused_before_the_database_is_asked(void) {
    program_says("hawq-search net.onnx --budget weight-size=1000", 2,
                 "needs a unit: B, KiB");
    program_says("hawq-search net.onnx --budget latency=9", 2, "us, ms, s");
    program_says("hawq-search net.onnx --budget mean-bits=4", 2, "bit");
    program_says("hawq-search net.onnx --budget speed=4x", 2,
                 "a model's budgets are");
    program_says("hawq-search net.onnx --budget speed=4KB", 2,
                 "a model's budgets are");
    program_says("hawq-search net.onnx --budget bops=1G --metric gues", 2,
                 "there are depth, sqnr, kl, measured, fisher, trace");
    program_says("hawq-search net.onnx --budget accuracy-drop=1KB", 2,
                 "accuracy-drop");
    program_says("hawq-search net.onnx", 2, "--budget is missing");
    program_says("hawq-search net.onnx --budget bops=1G --pin conv1", 2,
                 "--pin");
    program_says("hawq-search net.onnx --budget bops=1G --bits w9x8", 2,
                 "'w9x8' does not begin with a weight format");
    program_says("hawq-search net.onnx --budget bops=1G --bits w8a8,8", 2,
                 "8 is given twice");
    program_says("hawq-search net.onnx --budget bops=1G --bits w8a8,w4a4 "
                 "--metric sqnr",
                 2, "a rise of the loss, which cannot be added to 'sqnr'");
    program_says("hawq-search net.onnx --budget bops=1G", 1,
                 "run hawq-analyze");
    const char *other[] = {"no/such/folder.db",
                           "."}; /* analysing cannot help */
    for (int i = 0; i < 2; i++) {
        char command[128];
        snprintf(command, sizeof command,
                 "hawq-search net.onnx --budget bops=1G --db %s", other[i]);
        program_says(command, 1, other[i]);
        CHECK(!strstr(program_err, "run hawq-analyze"));
    }
}

/* --- joint widths and groups ------------------------------------------------
 */

static void ties_are_the_published_ones(void) {
    static const char *const tied[] = {
        "layer2.0.conv1, layer2.0.downsample.0\n",
        "layer3.0.conv1, layer3.0.downsample.0\n",
        "layer4.0.conv1, layer4.0.downsample.0\n"};
    program_step(SEARCH "--bits w8a8,w4a4 --ignore-activation-loss --budget "
                        "bops=0.6x --format tsv",
                 0);
    CHECK(count(program_err, "tied (") == 3);
    for (int i = 0; i < 3; i++) CHECK(strstr(program_err, tied[i]) != NULL);
    CHECK(strstr(program_err,
                 "activations tied (all read the tensor 'layer1.1.relu'): "
                 "layer2") != NULL);
    CHECK(strstr(program_err, "leaves out the error of activations") != NULL);
    CHECK(rows_with("8\t8") + rows_with("4\t4") == 21);
    CHECK(rows_with("4\t4") > 0 && rows_with("8\t8") > 0);
    program_step(SEARCH "--budget weight-size=0.6x --format tsv", 0);
    CHECK(count(program_err, "tied (") == 0); /* activations do not vary */
    program_step(SEARCH "--bits w8a8,w4a4 --ignore-activation-loss --budget "
                        "bops=0.6x --ungroup layer3.0.downsample.0 --group "
                        "conv1,fc",
                 0);
    CHECK(count(program_err, "tied (") == 3);
    CHECK(strstr(program_err, "tied (--group): conv1, fc\n") != NULL);
    CHECK(strstr(program_err, "layer3.0.conv1, ") == NULL);
    CHECK(strstr(program_err, "note: --ungroup layer3.0.downsample.0: ") !=
          NULL);
    program_says(SEARCH "--budget bops=0.6x --group conv1,conv1", 2,
                 "--group conv1,conv1: layer 'conv1' is named twice");
    program_says(SEARCH "--budget bops=0.6x --ungroup nobody", 2,
                 "--ungroup nobody: there is no such layer");
}

static void pairs_cost_what_they_should(void) {
    program_step(SEARCH "--bits w4a4 --ignore-activation-loss --budget bops=1x "
                        "--format json",
                 0);
    CHECK(count(program_out, "\"weight_bits\": 4") >= 21);
    CHECK(count(program_out, "\"activation_bits\": 4") >= 21);
    char  *bops = strstr(program_out, "\"bops\": ");
    double low = bops ? strtod(bops + 8, NULL) : NAN;
    program_step(SEARCH "--bits w8a8 --budget bops=1x --format json", 0);
    bops = strstr(program_out, "\"bops\": ");
    CHECK_NEAR(bops ? strtod(bops + 8, NULL) : NAN, 4 * low, 0);
    /* with the same loss and bytes, the more bits for activations */
    program_step(SEARCH "--bits w8a8,w4a8,w4a4 --ignore-activation-loss "
                        "--budget weight-size=0.6x --format json",
                 0);
    CHECK(count(program_out, "\"activation_bits\": 8") == 21);
    program_says(SEARCH "--bits w8a8,w3a8 --budget bops=1x", 2,
                 "has no sensitivities at w3, only at w8, w4, w2");
}

static void pins_and_patterns(void) {
    program_step(SEARCH "--budget mean-bits=4bits --pin layer1.*=8 --pin "
                        "conv1=2 --format tsv",
                 0);
    CHECK(count(program_out, "\nlayer1.") == 4);
    CHECK(rows_with("8\t8") >= 4);
    CHECK(strstr(program_out, "conv1\t36\t2\t8\t") != NULL);
    program_says(SEARCH "--budget mean-bits=4bits --pin layer9.*=8", 2,
                 "--pin layer9.*=8: no layer has such a name");
    program_says(SEARCH "--budget mean-bits=4bits --pin layer9=8", 2,
                 "there is no layer 'layer9'");
    program_step(SEARCH "--budget mean-bits=2.5bits --first-last 8 --format "
                        "tsv",
                 0);
    CHECK(strstr(program_out, "conv1\t36\t8\t8\t") != NULL);
    CHECK(strstr(program_out, "fc\t128\t8\t8\t") != NULL);
    CHECK(rows_with("2\t8") > 0);
}

/* --- answers ----------------------------------------------------------------
 */

static void an_alternative_costs_what_pinning_it_does(void) {
    double best[3], regret[3];
    char   command[256];
    program_step(SEARCH "--budget weight-size=0.4x --explain layer3.1.conv2 "
                        "--format json",
                 0);
    double optimum = number("objective", 0);
    for (int i = 0; i < 3; i++) {
        best[i] = number("best_loss", i);
        regret[i] = number("regret", i);
    }
    CHECK(count(program_out, "\"chosen\": \"yes\"") == 1);
    CHECK(fmin(regret[0], fmin(regret[1], regret[2])) == 0);
    for (int i = 0; i < 3; i++) {
        snprintf(command, sizeof command,
                 SEARCH "--budget weight-size=0.4x --pin layer3.1.conv2=%d "
                        "--format json",
                 8 >> i);
        program_step(command, 0);
        CHECK_NEAR(best[i], number("objective", 0), 1e-12);
        CHECK_NEAR(regret[i], number("objective", 0) - optimum, 1e-12);
    }
    program_says(SEARCH "--budget weight-size=0.4x --explain nobody", 2,
                 "--explain nobody: there is no such layer");
}

/* The least bytes under a loss: within it, and one byte less is not. */
static void least_bytes_under_a_loss(void) {
    char command[256];
    program_step(TRACE "--budget mean-bits=5bits --format json", 0);
    double loss = number("objective", 0);
    snprintf(command, sizeof command,
             TRACE "--budget accuracy-drop=%.17g --format json", loss * 1.1);
    program_step(command, 0);
    double bytes = number("weight_bytes", 0), limit = number("limit", 0);
    CHECK(strstr(program_out, "\"kind\": \"accuracy-drop\"") != NULL);
    CHECK(number("objective", 0) <= limit);
    snprintf(command, sizeof command,
             TRACE "--budget weight-size=%.0fB --format json", bytes - 1);
    program_step(command, 0);
    CHECK(number("objective", 0) > limit);
    program_says("hawq-search net.onnx --metric trace --budget "
                 "accuracy-drop=0 --budget weight-size=1x",
                 2, "excludes it");
    program_says(SEARCH "--budget accuracy-drop=-1", 2, "accuracy-drop");
}

/* The next step is one: at its limit the optimum is what was said, and at one
 * byte less it is still the old one. */
static void next_steps_are_true(void) {
    char command[256];
    program_step(TRACE "--budget weight-size=0.5x --format json", 0);
    double limit = number("next_limit", 0), now = number("objective", 0);
    double then = number("next_objective", 0);
    CHECK(number("price", 0) > 0 && then < now);
    snprintf(command, sizeof command,
             TRACE "--budget weight-size=%.0fB --format json", limit);
    program_step(command, 0);
    CHECK_NEAR(number("objective", 0), then, 1e-12 * fabs(then));
    snprintf(command, sizeof command,
             TRACE "--budget weight-size=%.0fB --format json", limit - 1);
    program_step(command, 0);
    CHECK_NEAR(number("objective", 0), now, 1e-12 * fabs(now));
    program_says(TRACE "--budget weight-size=0.5x", 0,
                 "the predicted loss by about");
    program_says(TRACE "--budget weight-size=3x --budget bops=0.5x", 0,
                 "does not bind, the optimum without it is the same");
}

/* With cross terms the objective is not the sum of the layers' losses, and the
 * separable solvers say that they cannot. */
static void layers_that_interact(void) {
    const char *command = "hawq-search net.onnx --metric cross --budget "
                          "weight-size=0.5x --time-limit 5 --format json";
    if (!program_step(command, 0)) return;
    double sum = 0;
    for (int l = 0; l < 21; l++) sum += number("loss", l);
    CHECK(fabs(sum - number("objective", 0)) > 0);
    CHECK(number("bound", 0) <= number("objective", 0));
    CHECK(strstr(program_out, "\"solver\": \"cross\"") != NULL);
    CHECK(program_run("hawq-search net.onnx --metric cross --solver dp "
                      "--budget weight-size=0.5x") == 2);
    program_says("hawq-search net.onnx --metric cross --pareto weight-size "
                 "--time-limit 2 --format tsv",
                 0, "optima at evenly spaced limits");
}

static void nearest_budgets_can_be_met(void) {
    put_text("two.json",
             "{\"layers\": [{\"name\": \"a\", \"candidates\": ["
             "{\"weight_bits\": 8, \"activation_bits\": 8, \"loss\": 0,"
             " \"cost\": {\"u\": 10, \"v\": 1}},"
             "{\"weight_bits\": 4, \"activation_bits\": 8, \"loss\": 1,"
             " \"cost\": {\"u\": 2, \"v\": 7}}]}]}");
    program_says("hawq-search --problem two.json --budget u=5 --budget v=5", 3,
                 "infeasible: each budget can be met alone");
    CHECK(strstr(program_err, "nearest: --budget u=10, all else kept\n"));
    CHECK(strstr(program_err, "nearest: --budget v=7, all else kept\n"));
    program_step("hawq-search --problem two.json --budget u=10 --budget v=5",
                 0);
    program_step("hawq-search --problem two.json --budget u=5 --budget v=7", 0);
}

static void confidence_is_of_samples_and_seed(void) {
    static char first[PROGRAM_TEXT];
    const char *command = "hawq-search net.onnx --metric trace --budget "
                          "weight-size=0.3x --format json --resamples 50";
    program_step(command, 0);
    memcpy(first, program_out, sizeof first);
    CHECK(number("resamples", 0) == 50 && number("samples", 0) == 8);
    CHECK(number("whole", 0) >= 0 && number("whole", 0) <= 1);
    CHECK(number("regret_low", 0) >= 0 &&
          number("regret_low", 0) <= number("regret_median", 0) &&
          number("regret_median", 0) <= number("regret_high", 0));
    CHECK(count(program_out, "\"confidence\": ") == 22);
    program_step(command, 0);
    CHECK(!strcmp(first, program_out));
    program_step("hawq-search net.onnx --metric trace --budget "
                 "weight-size=0.3x --format json --resamples 50 --seed 1",
                 0);
    CHECK(strcmp(first, program_out) != 0);
    /* all samples agree where there is nothing to choose */
    program_step("hawq-search net.onnx --metric trace --budget weight-size=1x "
                 "--pin *=4 --format json --resamples 20",
                 0);
    CHECK(number("whole", 0) == 1 && number("regret_high", 0) == 0);
    CHECK(strstr(program_out, "\"uniform_as_good\"") != NULL);
    program_step("hawq-search net.onnx --budget weight-size=0.5x --format json "
                 "--resamples 0",
                 0);
    CHECK(count(program_out, "confidence") == 0);
}

/* --- the front --------------------------------------------------------------
 */

static int lines(const char *text) {
    return count(text, "\n");
}

static void fronts_in_part_and_whole(void) {
    static char svg[PROGRAM_TEXT];
    program_step(SEARCH "--pareto weight-size --format tsv --plot front.svg",
                 0);
    int all = lines(program_out);
    CHECK(all > 60);
    CHECK(strstr(program_err, "points on the complete front") != NULL);
    program_slurp("front.svg", svg);
    CHECK(!strncmp(svg, "<svg xmlns=", 11) && strstr(svg, "</svg>\n"));
    CHECK(count(svg, ">w8</text>") == 1 && count(svg, ">w2</text>") == 1);
    CHECK(strstr(svg, "size of the weights (KiB)") != NULL);
    CHECK(!strstr(svg, "nan") && !strstr(svg, "inf"));
    program_step(SEARCH "--pareto weight-size --all-points", 0);
    CHECK(lines(program_out) == all);
    program_step(SEARCH "--pareto weight-size", 0);
    CHECK(lines(program_out) > 12 && lines(program_out) <= 26);
    CHECK(strstr(program_err, "--all-points") != NULL);
    program_step(SEARCH "--pareto weight-size --format json", 0);
    CHECK(count(program_out, "\"mean_bits\"") == all - 1);
    program_says(SEARCH "--budget bops=1x --plot front.svg", 2,
                 "--plot draws a front");
    program_says(SEARCH "--pareto bops --plot no/such/folder.svg", 1,
                 "no/such/folder.svg: cannot be written");
}

/* Rows of networks of any depth fit a screen, piped or not. */
static void long_rows_fit(void) {
    char text[16384];
    int  n = snprintf(text, sizeof text, "{\"layers\": [");
    for (int l = 0; l < 60; l++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "%s{\"name\": \"l%d\", \"candidates\": "
                      "[{\"weight_bits\": 8, \"activation_bits\": 8, "
                      "\"loss\": 0, \"cost\": {\"weight-size\": 8}}, "
                      "{\"weight_bits\": 4, \"activation_bits\": 8, "
                      "\"loss\": %d, \"cost\": {\"weight-size\": 4}}]}",
                      l ? ", " : "", l, l + 1);
    snprintf(text + n, sizeof text - (size_t)n, "]}");
    put_text("deep.json", text);
    program_step("hawq-search --problem deep.json --pareto weight-size", 0);
    int most = 0;
    for (const char *at = program_out; *at; at += *at == '\n') {
        int length = (int)strcspn(at, "\n");
        most = length > most ? length : most;
        at += length;
    }
    CHECK(most > 80 && most <= 100);
    CHECK(strstr(program_err, "the first layers of each point") != NULL);
    program_step("hawq-search --problem deep.json --pareto weight-size "
                 "--format tsv",
                 0);
    CHECK(!strstr(program_out, "...") && !strstr(program_err, "first layers"));
}

/* With stdout and stderr in one file, what was found stands before what is
 * said of it, and an error last. */
static void one_file_keeps_its_order(void) {
    static char both[PROGRAM_TEXT];
    char        command[512];
    snprintf(command, sizeof command,
             "%.150s/" SEARCH "--pareto weight-size >both.txt 2>&1",
             getenv("HAWQ_BUILD"));
    CHECK(system(command) == 0);
    program_slurp("both.txt", both);
    const char *note = strstr(both, "hawq-search: note: ");
    CHECK(!strncmp(both, "weight-size ", 12) && note != NULL);
    for (const char *at = note; at && *at; at += strcspn(at, "\n") + 1)
        CHECK(!strncmp(at, "hawq-search: ", 13));
}

static void activation_memory_is_a_constant(void) {
    program_says(TRACE "--budget weight-size=0.5x --budget activation-peak=1B",
                 3, "an image whatever the bits");
    program_says(TRACE "--pareto bops --budget activation-peak=1B", 3,
                 "an image whatever the bits");
    program_says(TRACE "--budget weight-size=0.5x --budget activation-peak=1B "
                       "--format json",
                 3, "\"state\": \"infeasible\"");
    CHECK(strstr(program_out, "\"kind\": \"weight-size\"") != NULL);
    CHECK(number("limit", 1) == 1 && number("least", 1) > 1);
    CHECK(strstr(program_out, "\"layers\": []") != NULL);
    program_step(TRACE "--budget weight-size=0.5x --budget "
                       "activation-peak=1MiB --format json",
                 0);
    double peak = number("used", 1);
    CHECK(strstr(program_out, "\"kind\": \"activation-peak\"") != NULL);
    /* the stem's output beside what is read with it: at least 4 x 8 x 8 */
    CHECK(peak >= 4 * SIDE * SIDE && peak < 64 * SIDE * SIDE);
    program_says(TRACE "--budget weight-size=0.5x --budget activation-peak=1x",
                 0, "this budget decides nothing");
    program_says(TRACE "--budget weight-size=0.5x --budget "
                       "activation-peak=1MiB",
                 0, "activation-peak <= 1048576 bytes (1.0 MiB), used ");
}

/* --- layers in float --------------------------------------------------------
 */

static double bytes_of(const char *options) {
    char command[512];
    snprintf(command, sizeof command, TRACE "--format json %s", options);
    program_step(command, 0);
    return number("weight_bytes", 0);
}

/* A pin alone offers float to its layer and no other; the list to all. The
 * weights have four bytes each, no scales, and no loss. */
static void layers_stay_in_float(void) {
    double eight = bytes_of("--bits 8 --budget bops=9x");
    double pinned = bytes_of("--bits 8 --budget bops=9x --pin conv1=float");
    CHECK(pinned == eight + 36 * 3 - 4 * 4); /* 36 weights, 4 channels */
    CHECK(count(program_out, "\"weight_bits\": 32") == 1);
    CHECK(count(program_out, "\"activation_bits\": 32") == 1);
    program_step(TRACE "--budget bops=99x --bits 8,4,float --format tsv", 0);
    CHECK(rows_with("32\t32") == 21);
    program_step(TRACE "--budget bops=99x --pin layer1.*=float --format tsv",
                 0);
    CHECK(rows_with("32\t32") == 4 && rows_with("8\t8") == 17);
    double free = bytes_of("--budget weight-size=1x --bits 8,4,float");
    CHECK(count(program_out, "\"weight_bits\": 32") > 0 && free <= eight);
    program_step(TRACE "--budget bops=1G --bits float --format json", 0);
    CHECK(number("objective", 0) == 0 && number("mean_bits", 0) == 32);
    program_says(TRACE "--budget bops=1G --bits 8,float,w32a32", 2,
                 "is given twice");
    program_says(TRACE "--budget bops=1G --bits w32a8", 2,
                 "--bits: 'w32a8' does not begin with a weight format");
    program_step("hawq-search net.onnx --metric trace --budget weight-size=1x "
                 "--bits 8,4,float --format json",
                 0); /* with resamples: float never has a loss */
}

#define FOUR                                                                   \
    "--bits 8,float --pin layer[234]*=8 --pin fc=8 --pin "                     \
    "layer1.1.conv2=8 --format json "

/* Least loss of the sixteen ways to have four layers in float or not whose
 * plan is within the limit; each is planned by itself. */
static void plan_each(double loss[16], double peak[16]) {
    static const char *const free[] = {"conv1", "layer1.0.conv1",
                                       "layer1.0.conv2", "layer1.1.conv1"};
    for (int mask = 0; mask < 16; mask++) {
        char   command[1024];
        size_t n = (size_t)snprintf(command, sizeof command,
                                    TRACE FOUR "--budget activation-peak=99x");
        for (int i = 0; i < 4; i++)
            n += (size_t)snprintf(command + n, sizeof command - n,
                                  " --pin %s=%s", free[i],
                                  mask >> i & 1 ? "float" : "8");
        program_step(command, 0);
        loss[mask] = number("objective", 0);
        peak[mask] = number("used", 0);
    }
}

/* Buffers of floats count, and the best that fits is found. */
static void float_buffers_are_memory(void) {
    double loss[16], peak[16];
    plan_each(loss, peak);
    CHECK(peak[15] > peak[0] && peak[15] >= peak[1]);
    for (int times = 2; times <= 10; times++) { /* halves of the integers' */
        double limit = peak[0] * times / 2, best = INFINITY;
        char   command[512];
        for (int mask = 0; mask < 16; mask++)
            if (peak[mask] <= limit) best = fmin(best, loss[mask]);
        snprintf(command, sizeof command,
                 TRACE FOUR "--budget activation-peak=%d.%dx", times / 2,
                 times % 2 * 5);
        program_step(command, 0);
        CHECK(strstr(program_out, "\"state\": \"optimal\"") != NULL);
        CHECK(number("used", 0) <= limit);
        CHECK_NEAR(number("objective", 0), best, 1e-12);
        bool binds = strstr(program_out, "\"binding\": true") != NULL;
        CHECK(binds == (peak[15] > limit));
    }
    program_says(TRACE "--budget activation-peak=1x --bits 8 --pin "
                       "layer1.0.conv1=float",
                 3, "with the layers in float that must be");
    program_says(TRACE "--budget activation-peak=2x --bits 8,float --pareto "
                       "weight-size",
                 2, "not for --pareto");
}

/* The layers of a searched allocation run: those in float as "float32". */
static void float_layers_are_benchmarked(void) {
    if (!program_built("hawq-bench")) return;
    double bytes = bytes_of("--bits 8 --budget bops=9x --pin layer2.*=float");
    int    floats = count(program_out, "\"weight_bits\": 32");
    program_step("hawq-bench net.onnx --allocation last --allocation w32a32 "
                 "--data idx:img --scale 0.004 --repeats 3 --format json",
                 0);
    CHECK(floats > 0 && number("weight_bytes", 0) == bytes);
    CHECK(count(program_out, "\"kernel\": \"float32\"") == floats + 21);
    CHECK(count(program_out, "\"bit_exact\": true") == 2);
    CHECK(strstr(program_out, "\"reason\": \"its layer has 32 bits\""));
    CHECK(number("agreement", 1) == 1); /* all in float is the network */
    CHECK_NEAR(number("loss_rise", 1), 0, 1e-6);
    program_says(TRACE "--budget latency=1.5x --bits 8,float --repeats 3 "
                       "--format json",
                 0, "ones share one constant");
    bytes_of("--bits 4 --budget bops=9x --pin conv1=float");
    program_says("hawq-bench net.onnx --allocation last --data idx:img --scale "
                 "0.004 --repeats 3",
                 0, "layers in float and all-integer ones share that constant");
    /* its 4 bits are not what makes it as slow as it is */
    CHECK(!strstr(program_err, "no faster than 8"));
}

/* At the loss of any point of the surface, neither cost can be lowered without
 * raising the other: checked on one point by two searches. */
static void surfaces(void) {
    char command[256];
    program_step("hawq-search net.onnx --metric trace --pin layer4*=8 --pin "
                 "layer3*=4 --pin layer2*=4 --pareto weight-size,bops --format "
                 "json",
                 0);
    CHECK(count(program_out, "\"objective\"") > 10);
    double bytes = number("weight-size", 7), bops = number("bops", 7);
    double loss = number("objective", 7);
    snprintf(command, sizeof command,
             TRACE "--pin layer4*=8 --pin layer3*=4 --pin layer2*=4 --budget "
                   "weight-size=%.0fB --budget bops=%.6fK --format json",
             bytes, bops / 1000);
    program_step(command, 0);
    CHECK_NEAR(number("objective", 0), loss, 1e-9 * fabs(loss));
    CHECK(number("weight_bytes", 0) == bytes && number("bops", 0) == bops);
    program_says(SEARCH "--pareto weight-size,weight-size", 2, "weight-size");
    program_says(SEARCH "--pareto weight-size,latency,bops", 2,
                 "a front takes at most two costs");
}

int main(void) {
    if (!open_search()) return 1;
    if (program_built("hawq-search")) refused_before_the_database_is_asked();
    if (program_built("hawq-search")) nearest_budgets_can_be_met();
    if (analyse()) {
        ties_are_the_published_ones();
        pairs_cost_what_they_should();
        pins_and_patterns();
        an_alternative_costs_what_pinning_it_does();
        least_bytes_under_a_loss();
        next_steps_are_true();
        layers_that_interact();
        confidence_is_of_samples_and_seed();
        fronts_in_part_and_whole();
        long_rows_fit();
        one_file_keeps_its_order();
        surfaces();
        activation_memory_is_a_constant();
        layers_stay_in_float();
        float_buffers_are_memory();
        float_layers_are_benchmarked();
    }
    program_close();
    DONE();
}
