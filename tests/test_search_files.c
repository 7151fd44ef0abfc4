/* test_search_files.c -- what goes out of hawq-search and comes back.
 *
 * Claims: an allocation that goes out in any format comes back with the same
 * bits and the same predicted loss, and an import that does not fit the network
 * is refused by name. It is said which analysis was searched and how sure its
 * numbers are. What is read is never overwritten, what could not be delivered
 * is not stored.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "tests/searching.h"

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
    put_text("types.txt", "conv1++++++++++++++++++++++++++++++=q8_0");
    program_says(SEARCH "--score types.txt", 1,
                 "is too large a regular expression");
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
    if (!open_search()) return 1;
    if (analyse()) {
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
