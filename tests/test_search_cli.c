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
 * where it is long and whole where asked, and drawn. An allocation that goes
 * out in any format comes back with the same bits and the same predicted loss,
 * and an import that does not fit the network is refused by name. It is said
 * which analysis was searched and how sure its numbers are. What is read is
 * never overwritten, what could not be delivered is not stored.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "src/load/onnx.h"
#include "src/ops/ops.h"
#include "tests/images.h"
#include "tests/program.h"

enum { SIDE = 8, IMAGES = 32, CLASSES = 4 };

/* --- a network of ResNet18's shape -----------------------------------------
 */

static hawq_graph *graph;

static void constant(const char *name, hawq_shape s) {
    static float data[1 << 15];
    size_t       n = (size_t)hawq_shape_count(&s, 0, s.rank);
    unsigned     state = (unsigned)strlen(name) * 40503u + (unsigned)n;
    for (size_t i = 0; i < n; i++) { /* variance 1 / fan-in */
        state = state * 1664525u + 1013904223u;
        data[i] = ((float)(state >> 8) / (1 << 24) - 0.5f) *
                  sqrtf(12 * (float)s.dim[0] / (float)n);
    }
    CHECK_OK(hawq_graph_constant(graph, name, HAWQ_FLOAT, &s, data));
}

static void node(const char *op, const char *a, const char *b, const char *out,
                 int n_attr, const hawq_attr *attr) {
    const char    *in[2] = {a, b};
    hawq_node_spec spec = {.op_type = op,
                           .name = out,
                           .n_in = b ? 2 : 1,
                           .n_out = 1,
                           .in = in,
                           .out = &out,
                           .n_attr = n_attr,
                           .attr = attr};
    CHECK_OK(hawq_graph_add(graph, &spec));
}

/* out = conv of in, k x k, padded to keep the size at stride 1. */
static void conv(const char *name, const char *in, const char *out, int c_in,
                 int c_out, int k, int stride) {
    static int64_t  pads[2][4] = {{0, 0, 0, 0}, {1, 1, 1, 1}};
    static int64_t  strides[3][2] = {{0, 0}, {1, 1}, {2, 2}};
    const hawq_attr attr[2] = {
        {.name = "pads", .type = HAWQ_ATTR_INTS, .n = 4, .ints = pads[k == 3]},
        {.name = "strides",
         .type = HAWQ_ATTR_INTS,
         .n = 2,
         .ints = strides[stride]}};
    char weight[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    constant(weight, (hawq_shape){4, {c_out, c_in, k, k}});
    node("Conv", in, weight, out, 2, attr);
}

static void block(const char *name, const char *in, const char *out, int c_in,
                  int c_out, int stride) {
    static const char *const part[] = {"conv1", "a", "b",   "conv2",
                                       "c",     "d", "sum", "downsample.0"};
    char                     n[8][64];
    for (int i = 0; i < 8; i++)
        snprintf(n[i], sizeof n[i], "%.40s.%s", name, part[i]);
    conv(n[0], in, n[1], c_in, c_out, 3, stride);
    node("Relu", n[1], NULL, n[2], 0, NULL);
    conv(n[3], n[2], n[4], c_out, c_out, 3, 1);
    if (stride > 1) conv(n[7], in, n[5], c_in, c_out, 1, stride);
    node("Add", n[4], stride > 1 ? n[5] : in, n[6], 0, NULL);
    node("Relu", n[6], NULL, out, 0, NULL);
}

static void put_resnet18(void) {
    hawq_shape      shape = {4, {4, 1, SIDE, SIDE}};
    const hawq_attr trans_b = {.name = "transB", .type = HAWQ_ATTR_INT, .i = 1};
    char            in[64] = "stem.relu", out[64], name[64];
    CHECK_OK(hawq_graph_new(hawq_op_find, 13, &graph));
    CHECK_OK(hawq_graph_input(graph, "x", &shape));
    conv("conv1", "x", "stem", 1, 4, 3, 1);
    node("Relu", "stem", NULL, in, 0, NULL);
    for (int stage = 1; stage <= 4; stage++)
        for (int b = 0; b < 2; b++) {
            int c = 4 << (stage - 1), first = stage > 1 && b == 0;
            snprintf(name, sizeof name, "layer%d.%d", stage, b);
            snprintf(out, sizeof out, "layer%d.%d.relu", stage, b);
            block(name, in, out, first ? c / 2 : c, c, first ? 2 : 1);
            snprintf(in, sizeof in, "%s", out);
        }
    node("GlobalAveragePool", in, NULL, "pool", 0, NULL);
    node("Flatten", "pool", NULL, "flat", 0, NULL);
    constant("fc.weight", (hawq_shape){2, {CLASSES, 32}});
    node("Gemm", "flat", "fc.weight", "logits", 1, &trans_b);
    CHECK_OK(hawq_graph_finish(graph, "logits"));
    CHECK(graph->n_layers == 21);
    CHECK_OK(hawq_onnx_save("net.onnx", graph, "test"));
    hawq_graph_free(graph);
}

static void put_text(const char *name, const char *text) {
    put_bytes(name, text, strlen(text));
}

static void put_images(void) {
    static unsigned char x[16 + IMAGES * SIDE * SIDE], y[8 + IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        y[8 + i] = (unsigned char)(i % CLASSES);
        for (int p = 0; p < SIDE * SIDE; p++)
            x[16 + i * SIDE * SIDE + p] =
                striped_pixel(i, p, SIDE, i % CLASSES);
    }
    put_idx("img", IMAGES, SIDE, x, y);
}

/* --- counting ---------------------------------------------------------------
 */

static int count(const char *text, const char *what) {
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what)) n++;
    return n;
}

/* Rows of TSV whose weight_bits column is this. */
static int rows_with(const char *bits) {
    char what[32];
    snprintf(what, sizeof what, "\t%s\t", bits);
    return count(program_out, what);
}

#define SEARCH "hawq-search net.onnx --metric measured "
#define TRACE "hawq-search net.onnx --metric trace --resamples 0 "

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
                 "there are depth, sqnr, measured, trace");
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

/* The number behind a JSON key, at its n-th place (from 0). */
static double number(const char *key, int n) {
    char        what[64];
    const char *at = program_out;
    snprintf(what, sizeof what, "\"%s\": ", key);
    for (at = strstr(at, what); at && n-- > 0;) at = strstr(at + 1, what);
    return at ? strtod(at + strlen(what), NULL) : NAN;
}

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

/* --- out and in -------------------------------------------------------------
 */

/* Layers and bits of JSON on stdout, loss included. */
static void keep_layers(char *to) {
    const char *from = strstr(program_out, "\"layers\": [");
    const char *end = from ? strchr(from, ']') : NULL;
    to[0] = '\0';
    if (CHECK(end != NULL))
        snprintf(to, PROGRAM_TEXT, "%.*s", (int)(end - from), from);
}

static void comes_back_under(const char *budget, const char *bits,
                             const char *format, const char *file) {
    static char gone[PROGRAM_TEXT], back[PROGRAM_TEXT];
    char        command[512];
    snprintf(command, sizeof command,
             SEARCH "--bits %s --ignore-activation-loss --budget %s "
                    "--format json --export-as %s=%s",
             bits, budget, format, file);
    if (!program_step(command, 0)) return;
    keep_layers(gone);
    double loss = number("objective", 0);
    snprintf(command, sizeof command, SEARCH "--score %s --format json", file);
    if (!program_step(command, 0)) return;
    keep_layers(back);
    if (!CHECK(!strcmp(gone, back))) program_show(command);
    CHECK(number("objective", 0) == loss);
    CHECK(strstr(program_out, "\"solver\": \"imported\"") != NULL);
    CHECK(number("bound", 0) <= loss);
}

static void comes_back(const char *bits, const char *format, const char *file) {
    comes_back_under("bops=0.6x", bits, format, file);
}

static void formats_round_trip(void) {
    static const char eight[] = "w8a8,float --pin *=8 --pin layer2.*=float";
    comes_back("w8a8,w4a8,w4a4,w8a4", "ort", "o.json");
    program_says(SEARCH "--budget bops=0.6x --export-as "
                        "compressed-tensors=c.json",
                 0, "will leave as they are: conv1, ");
    comes_back("w8a8,w4a8,w4a4,w2a8", "compressed-tensors", "c.json");
    comes_back("w8a8,w4a8,w2a8", "llama", "l.txt");
    comes_back("w8a8,w4a4,w2a4", "hawq", "h.json");
    comes_back("w8a8,w4a8,float", "ort", "o.json");
    CHECK(strstr(program_err, "TensorQuantOverrides") != NULL);
    comes_back("w8a8,w4a8,float", "compressed-tensors", "c.json");
    comes_back("w8a8,w4a8,float", "llama", "l.txt");
    comes_back("w8a8,w4a8,float", "hawq", "h.json");
    comes_back_under("bops=9x", eight, "trtexec", "t.txt");
    int floats = count(program_out, "\"weight_bits\": 32");
    CHECK(floats > 0 && floats < count(program_out, "\"weight_bits\": "));
    CHECK(strstr(program_err, "read as layerPrecisions") != NULL);
    comes_back_under("bops=9x", eight, "openvino", "v.json");
    CHECK(count(program_out, "\"weight_bits\": 32") == floats);
    CHECK(strstr(program_err, "read as ignored scope") != NULL);
    comes_back_under("bops=9x", eight, "modelopt", "m.json");
    CHECK(count(program_out, "\"weight_bits\": 32") == floats);
    CHECK(strstr(program_err, "read as nodes_to_exclude") != NULL);
    comes_back("w8a8,w4a8,w4a4,w2a8,float", "aimet", "a.json");
    CHECK(strstr(program_err, "read as AIMET encodings") != NULL);
    comes_back("w8a8,w4a8,float", "litert", "r.json");
    CHECK(strstr(program_err, "read as recipe") != NULL);
    CHECK(count(program_out, "\"weight_bits\": 4") > 0);
    comes_back_under("bops=9x", eight, "esp-ppq", "p.json");
    CHECK(count(program_out, "\"weight_bits\": 32") == floats);
    CHECK(strstr(program_err, "read as dispatching table") != NULL);
    comes_back_under("bops=9x", eight, "rknn", "q.cfg");
    CHECK(count(program_out, "\"weight_bits\": 32") == floats);
    CHECK(strstr(program_err, "read as custom_quantize_layers") != NULL);
    comes_back_under("bops=9x", "w8a8", "rknn", "q.cfg");
    program_says(SEARCH "--bits w8a8,w4a8 --budget bops=0.6x --export-as "
                        "esp-ppq=x.json",
                 2, "w4a8; all it can say is 8 bits or float");
    program_says(SEARCH "--bits w8a8,w2a8 --budget bops=0.6x --export-as "
                        "litert=x.json",
                 2, "w2a8; with static ranges LiteRT has w8a8, w4a8 and float");
    program_says(SEARCH "--bits w8a8,w4a8 --budget bops=0.6x --export-as "
                        "openvino=x.json",
                 2,
                 "w4a8; all it can say is 8 bits or float: search with "
                 "--bits w8a8,float");
    program_says(SEARCH "--bits w8a8,w2a8 --budget bops=0.6x --export-as "
                        "ort=x.json",
                 2, "ONNX Runtime quantizes to 4, 8 or 16 bits");
    program_says(SEARCH "--budget bops=0.6x --export-as gguf=x", 2,
                 "--export-as: 'gguf' is not one of ort, compressed-tensors, "
                 "llama, hawq, trtexec, openvino, modelopt, aimet, litert, "
                 "esp-ppq, rknn");
    program_step(SEARCH "--budget bops=0.6x --format json --export e.json", 0);
    program_step(SEARCH "--score e.json --format json", 0);
    CHECK(strstr(program_err, "e.json read as layers") != NULL);
}

/* 21 weights under HAWQ's own names for a network of this shape. */
static void put_bit_config(int layers) {
    char text[4096];
    int  n = snprintf(text, sizeof text, "{\"quant_input\": 8");
    for (int i = 0; i < layers; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      ", \"features.stage%d.quant_convbn%d\": %d, "
                      "\"features.stage%d.quant_act%d\": 4",
                      i, i, i % 3 ? 4 : 8, i, i);
    snprintf(text + n, sizeof text - (size_t)n, "}");
    put_text("config.json", text);
}

static void foreign_maps(void) {
    put_bit_config(21);
    program_says(SEARCH "--score config.json", 1,
                 "config.json: 'features.stage0.quant_convbn0' is no layer");
    put_text("widths.json",
             "[8,4,4, 8,4,4, 8,4,4, 8,4,4, 8,4,4, 8,4,4, 8,4,4]");
    program_step(SEARCH "--score widths.json --format tsv", 0);
    CHECK(strstr(program_err, "in the order of the layers") != NULL);
    CHECK(rows_with("8\t8") == 7 && rows_with("4\t8") == 14);
    put_text("widths.json", "[8, 4]");
    program_says(SEARCH "--score widths.json", 1,
                 "widths.json: 2 widths without names, but the model has 21");
    put_text("map.json", "{\"conv1\": 8}");
    program_says(SEARCH "--score map.json", 1,
                 "map.json: no bits for layer 'layer1.0.conv1'");
    put_text("map.json", "{\"conv1\": 8.5}");
    program_says(SEARCH "--score map.json", 1, "\"conv1\" is not a width");
    put_text("map.json", "{\"conv1\": ");
    program_says(SEARCH "--score map.json", 1,
                 "map.json: line 1: not valid JSON");
    program_says(SEARCH "--score note.txt", 1,
                 "'words' is neither JSON nor pattern=type");
    put_text("types.txt", "conv=q4_0 ^fc=q8_0\nlayer1[=q8_0");
    program_says(SEARCH "--score types.txt", 1,
                 "'layer1[' is not a regular expression");
    put_text("types.txt", "downsample=q8_0\nconv=q4_0\n^fc=q2_k");
    program_step(SEARCH "--score types.txt --format tsv", 0);
    CHECK(rows_with("8\t8") == 3 && rows_with("4\t8") == 17 &&
          rows_with("2\t8") == 1);
    program_says(SEARCH "--score types.txt --budget bops=1x", 2,
                 "--score takes the file's allocation as it is");
    put_text("types.txt", "conv|downsample=q5_0 fc=q8_0");
    program_says(SEARCH "--score types.txt", 2,
                 "has no sensitivities at 5 bits, only at w8, w4, w2");
}

/* Lists of mean bits in the forms programs print them. */
static void lists_of_mean_bits(void) {
    static const char *const form[] = {"%s%s,%s\n", "%s%s\t%s\r\n",
                                       "%s%s: %s bits\n", "%s%s = %s\n"};
    static char              list[4096];
    for (int f = 0; f < 4; f++) {
        size_t n = 0;
        program_step("hawq-search net.onnx --metric trace --budget "
                     "bops=0.6x --format tsv",
                     0);
        const char *row = strchr(program_out, '\n') + 1;
        for (int l = 0; *row; l++, row = strchr(row, '\n') + 1) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(row, "\t"), row);
            n += (size_t)snprintf(list + n, sizeof list - n, form[f],
                                  l   ? ""
                                  : f ? "# printed\n"
                                      : "layer,bits\n",
                                  name, l % 3 ? "4.25" : "8");
        }
        put_text("means.txt", list);
        program_step(SEARCH "--score means.txt --format tsv", 0);
        CHECK(strstr(program_err, "read as mean bits") != NULL);
        CHECK(strstr(program_err, "14 of its 21 means are not whole") != NULL);
        CHECK(strstr(program_err, "from 5.5 to 5.333 bits") != NULL);
        CHECK(rows_with("8\t8") == 7 && rows_with("4\t8") == 14);
    }
    put_text("means.txt", "conv1 8\nconv2 four\n");
    program_says(SEARCH "--score means.txt", 1,
                 "means.txt: line 2: not a layer's name and its mean bits");
    put_text("means.txt", "conv1 0.5\n");
    program_says(SEARCH "--score means.txt", 1,
                 "layer 'conv1': 0.5 is not in 1 ... 32 bits");
    put_text("means.txt", "conv1 8\nother 4\n");
    program_says(SEARCH "--score means.txt", 1, "'other' is no layer");
}

/* --- what is kept -----------------------------------------------------------
 */

static bool unchanged(const char *name, const char *before, size_t n) {
    static char now[PROGRAM_TEXT];
    program_slurp(name, now);
    return memcmp(now, before, n) == 0;
}

/* No file that is read is written, and an allocation that could not be
 * delivered whole is not the newest one. */
static void nothing_is_lost_nor_left(void) {
    static char              db[PROGRAM_TEXT];
    static const char *const output[] = {
        "--pareto bops --plot ", "--budget bops=0.6x --export ",
        "--budget bops=0.6x --export-as hawq="};
    char command[256];
    program_slurp("hawq.db", db);
    for (int i = 0; i < 3; i++) {
        snprintf(command, sizeof command, SEARCH "%shawq.db", output[i]);
        program_says(command, 2, "hawq.db is the database");
        snprintf(command, sizeof command, SEARCH "%s./net.onnx", output[i]);
        program_says(command, 2, "./net.onnx is the model");
        snprintf(command, sizeof command, SEARCH "%sno/such.json", output[i]);
        program_says(command, 1, "no/such.json: cannot be written");
        snprintf(command, sizeof command, SEARCH "%s/dev/full", output[i]);
        program_says(command, 1, "/dev/full: cannot be written");
    }
    program_says(SEARCH "--score e.json --export e.json", 2,
                 "e.json is the file of --score");
    program_says(SEARCH "--budget bops=0.6x --export x.json --export-as "
                        "hawq=x.json",
                 2, "--export and --export-as both write x.json");
    program_says(SEARCH "--bits w8a8,w2a8 --budget bops=0.6x --export-as "
                        "ort=x.json",
                 2, "ONNX Runtime quantizes");
    snprintf(command, sizeof command,
             "%.150s/" SEARCH "--budget bops=0.6x >/dev/full 2>stderr.txt",
             getenv("HAWQ_BUILD"));
    CHECK(WEXITSTATUS(system(command)) == 1);
    CHECK(unchanged("hawq.db", db, sizeof db));
}

static void infeasible_fronts_are_objects(void) {
    static const char *const front[] = {"weight-size", "bops",
                                        "weight-size,bops"};
    char                     command[256];
    for (int i = 0; i < 3; i++) {
        snprintf(command, sizeof command,
                 SEARCH "--pareto %s --budget weight-size=0x --format json",
                 front[i]);
        program_says(command, 3, "\"state\": \"infeasible\"");
    }
    program_says(SEARCH "--budget accuracy-drop=0 --pin *=2 --format json", 3,
                 "\"state\": \"infeasible\"");
    CHECK(strstr(program_out, "\"kind\": \"accuracy-drop\"") != NULL);
    CHECK(number("limit", 0) == 0 && number("least", 0) > 0);
}

/* --- which analysis, and how sure -------------------------------------------
 */

static void the_analysis_is_named_and_chosen(void) {
    char command[256];
    program_says(TRACE "--budget bops=0.6x", 0,
                 "analysis        run 1: metric trace, loss cross-entropy, "
                 "weight range max\n                data idx:img");
    CHECK(strstr(program_out, "; 8 samples, batch-size 8, images 32\n"));
    CHECK(!strstr(program_err, "--analysis RUN"));
    program_step(TRACE "--budget bops=0.6x --format json", 0);
    double first = number("objective", 0);
    CHECK(number("analysis_run", 0) == 1);
    CHECK(strstr(program_out, "\"weight_range\": \"max\"") != NULL);
    CHECK(strstr(program_out, "\"loss\": \"cross-entropy\"") != NULL);
    CHECK(strstr(program_out, "\"data\": \"idx:img") != NULL);
    program_says(TRACE "--pareto bops --format tsv", 0,
                 "the losses are of run 1: metric trace");
    program_step("hawq-analyze net.onnx --data idx:img --scale 0.004 --range "
                 "mse --metric trace --images 32 --bits 8,4,2 -n 4 "
                 "--batch-size 8 --quiet",
                 0);
    program_says(TRACE "--budget bops=0.6x --format json", 0,
                 "others of this model: run 1 (weight range max)");
    CHECK(strstr(program_out, "\"weight_range\": \"mse\"") != NULL);
    CHECK(number("analysis_run", 0) > 1 && number("objective", 0) != first);
    program_step(TRACE "--budget bops=0.6x --format json --analysis 1", 0);
    CHECK(number("objective", 0) == first && number("analysis_run", 0) == 1);
    CHECK(!strstr(program_err, "--analysis RUN"));
    snprintf(command, sizeof command, TRACE "--budget bops=1x --analysis 2");
    program_says(command, 2, "--analysis 2: no complete analysis of net.onnx");
    program_says("hawq-search --problem two.json --analysis 1", 2,
                 "--analysis is for a model");
}

/* Makes the readings of the last layer at 2 bits negative, and its trace not
 * resolved. */
static void spoil_last_layer(void) {
    hawq_store         *store;
    hawq_arena          arena = {0};
    hawq_sample_record *row;
    hawq_estimate      *estimate;
    int                 n;
    if (!CHECK_OK(hawq_store_open("hawq.db", HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(hawq_store_load_samples(store, 1, "trace@w2", &arena, &n, &row));
    CHECK(n == 8 * 21);
    for (int i = 0; i < n; i++)
        if (row[i].layer == 20) row[i].value = -1;
    CHECK_OK(hawq_store_put_samples(store, 1, n, row));
    CHECK_OK(
        hawq_store_load_estimates(store, 1, "trace", &arena, &n, &estimate));
    estimate[20].low = -estimate[20].high;
    CHECK_OK(hawq_store_put_estimates(store, 1, "trace", n, estimate));
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

static void limits_and_noise_are_told(void) {
    spoil_last_layer();
    program_step(TRACE "--budget bops=0.6x --analysis 1", 0);
    const char *upper = strstr(program_err, "rise is not positive for ");
    const char *after = upper ? strstr(upper, "fc; what is searched") : NULL;
    CHECK(after && after < strchr(upper, '\n'));
    upper = strstr(program_err, "trace not resolved from zero (95 %) for ");
    after = upper ? strstr(upper, "fc; more samples") : NULL;
    CHECK(after && after < strchr(upper, '\n'));
    /* all at 8 bits: nothing changes, as far as 32 images can tell */
    program_says(SEARCH "--budget bops=1x --pin *=8", 0,
                 "within the noise of the measurement");
    program_step("hawq-search net.onnx --metric depth --budget bops=1x", 1);
}

static void what_was_imported_is_benchmarked(void) {
    if (!program_built("hawq-bench")) return;
    put_text("types.txt", "downsample=q8_0\nconv=q4_0\n^fc=q2_k");
    program_step(SEARCH "--score types.txt --format json", 0);
    double bytes = number("weight_bytes", 0);
    program_step("hawq-bench net.onnx --allocation last --data idx:img --scale "
                 "0.004 --repeats 3 --format json",
                 0);
    CHECK(number("weight_bytes", 0) == bytes);
    CHECK(strstr(program_out, "\"bit_exact\": true") != NULL);
}

int main(void) {
    if (!program_open()) return 1;
    put_resnet18();
    put_images();
    put_text("note.txt", "words");
    if (program_built("hawq-search")) refused_before_the_database_is_asked();
    if (program_built("hawq-search")) nearest_budgets_can_be_met();
    if (program_built("hawq-search") && program_built("hawq-analyze") &&
        program_step(
            "hawq-analyze net.onnx --data idx:img --scale 0.004 "
            "--metric measured,trace,cross --images 32 --bits 8,4,2 -n 8 "
            "--batch-size 8 --quiet",
            0)) {
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
        formats_round_trip();
        foreign_maps();
        lists_of_mean_bits();
        nothing_is_lost_nor_left();
        infeasible_fronts_are_objects();
        what_was_imported_is_benchmarked();
        the_analysis_is_named_and_chosen();
        limits_and_noise_are_told();
    }
    program_close();
    DONE();
}
