/* test_import.c -- whose bits the entries of a foreign file are.
 *
 * Claims: entries go to layers by their names, never by their place; one prefix
 * before all of them, or before all the layers', is seen through; what cannot
 * be matched and what names a layer twice is refused by name; classes stand
 * behind patterns and those behind names; widths that overflow are no widths.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import.h"
#include "search/import_list.h"
#include "search/pattern.h"
#include "tests/check.h"

#include <unistd.h>

enum { LAYERS = 4, MANY = 20000 };

static const hawq_import_layer plain[LAYERS] = {
    {"conv1", "conv1.weight", "image", "/conv1/Conv", "out of /conv1/Conv",
     "Conv", 4},
    {"block.conv", "block.conv.weight", "conv1", "/block/Conv",
     "out of /block/Conv", "Conv", 4},
    {"block.mix", "block.mix.weight", "t", "/block/mix/Conv",
     "out of /block/mix/Conv", "Conv", 3},
    {"fc", "fc.weight", "u", "/fc/Gemm", "out of /fc/Gemm", "Gemm", 2}};
static const hawq_import_layer wrapped[LAYERS] = {
    {"module.conv1", "w1", "image", "n1", "out of n1", "Conv", 4},
    {"module.block.conv", "w2", "s", "n2", "out of n2", "Conv", 4},
    {"module.block.mix", "w3", "t", "n3", "out of n3", "Conv", 3},
    {"module.fc", "w4", "u", "n4", "out of n4", "Gemm", 2}};

/* Reads the text as a file and applies it. */
static hawq_status import(const char *text, const hawq_import_layer *layer,
                          hawq_arena *arena, hawq_choice *out,
                          hawq_import_match *match) {
    char        path[] = "/tmp/hawq_import_XXXXXX";
    hawq_import read = {0};
    int         file = mkstemp(path);
    CHECK(file >= 0 &&
          write(file, text, strlen(text)) == (ssize_t)strlen(text) &&
          close(file) == 0);
    hawq_status status = hawq_import_read(path, arena, &read);
    unlink(path);
    HAWQ_TRY(status);
    return hawq_import_apply(&read, LAYERS, layer, 8, arena, out, match);
}

/* want: weights and activations of the layers, one digit each; 'f': float. */
static void gives(const char *text, const hawq_import_layer *layer,
                  const char *want, const char *prefix) {
    hawq_arena        arena = {0};
    hawq_choice       got[LAYERS];
    hawq_import_match match;
    char              bits[2 * LAYERS + 1] = "";
    if (CHECK_OK(import(text, layer, &arena, got, &match))) {
        for (int l = 0; l < LAYERS; l++) {
            int pair[] = {got[l].weight_bits, got[l].activation_bits};
            for (int i = 0; i < 2; i++)
                bits[2 * l + i] =
                    pair[i] == HAWQ_FLOAT_BITS ? 'f' : (char)('0' + pair[i]);
        }
        if (!CHECK(!strcmp(bits, want)))
            printf("    %s\n    %s, not %s\n", text, bits, want);
        CHECK(prefix ? match.prefix && !strcmp(match.prefix, prefix)
                     : !match.prefix);
    }
    hawq_arena_free(&arena);
}

static void refuses(const char *text, const char *why) {
    hawq_arena        arena = {0};
    hawq_choice       got[LAYERS];
    hawq_import_match match;
    CHECK(import(text, plain, &arena, got, &match) == HAWQ_EFORMAT);
    if (!CHECK(strstr(hawq_message(), why)))
        printf("    %s\n    not: %s\n", hawq_message(), why);
    hawq_arena_free(&arena);
}

/* Sorted otherwise than the layers, so that order would be seen. */
static void names_decide(void) {
    gives("{\"fc\": 8, \"block.mix\": 4, \"conv1\": 2, \"block.conv\": 6}",
          plain, "28684888", NULL);
    gives("{\"module.fc\": 8, \"module.block.mix\": 4, \"module.conv1\": 2, "
          "\"module.block.conv\": 6}",
          plain, "28684888", "module.");
    gives("{\"net/q/fc\": 8, \"net/q/block.mix\": 4, \"net/q/conv1\": 2, "
          "\"net/q/block.conv\": 6}",
          plain, "28684888", "net/q/");
    gives("fc 8\nblock.mix 4\nconv1 2\nblock.conv 6\n", wrapped, "28684888",
          "module.");
    gives("{\"module.fc\": 8, \"module.block.mix\": 4, \"module.conv1\": 2, "
          "\"module.block.conv\": 6}",
          wrapped, "28684888", NULL);
    refuses("{\"a\": 8, \"b\": 4, \"c\": 2, \"d\": 6}",
            "'a' is no layer of the model");
    refuses("{\"module.fc\": 8, \"module.block.mix\": 4, \"module.conv1\": 2, "
            "\"other\": 6}",
            "'module.fc' is no layer of the model");
    refuses("{\"fc\": 8, \"block.mix\": 4, \"conv1\": 2, \"m.block.conv\": 6}",
            "'m.block.conv' is no layer of the model");
}

/* HAWQ's own names, behind a prefix as well. The tensor "conv1", which another
 * layer reads, is not the layer's. */
static void wrapped_names(void) {
    gives("{\"quant_input\": 8, \"conv1.quant_act\": 4, \"quant_convbn1\": 8, "
          "\"block.quant_conv\": 4, \"block.conv.quant_act\": 2, "
          "\"block.quant_mix\": 4, \"quant_fc\": 2}",
          plain, "84424828", NULL);
    gives("{\"module.conv1.quant_act\": 4, \"module.quant_convbn1\": 8, "
          "\"module.block.quant_conv\": 4, \"module.block.quant_mix\": 4, "
          "\"module.quant_fc\": 2}",
          plain, "84484828", "module.");
    gives("{\"layers\": [{\"name\": \"conv1\", \"weight_bits\": 4, "
          "\"activation_bits\": 4}, {\"name\": \"block.conv\", "
          "\"weight_bits\": 8, \"activation_bits\": 8}, {\"name\": "
          "\"block.mix\", \"weight_bits\": 8, \"activation_bits\": 8}, "
          "{\"name\": \"fc\", \"weight_bits\": 2, \"activation_bits\": 8}]}",
          plain, "44888828", NULL);
}

static void twice(void) {
    refuses("{\"conv1\": 8, \"block.conv\": 4, \"block.mix\": 4, \"fc\": 8, "
            "\"conv1\": 2}",
            "layer 'conv1' is named twice, as 'conv1' and 'conv1'");
    refuses("{\"conv1\": 8, \"block.conv\": 4, \"block.mix\": 4, \"fc\": 8, "
            "\"quant_convbn1\": 8}",
            "layer 'conv1' is named twice, as 'conv1' and 'quant_convbn1'");
    refuses("conv1 8\nconv1.weight 4\nblock.conv 4\nblock.mix 4\nfc 8\n",
            "layer 'conv1' is named twice");
    refuses("{\"TensorQuantOverrides\": {\"fc.weight\": [{\"quant_type\": "
            "\"QInt8\"}], \"fc.weight\": [{\"quant_type\": \"QInt4\"}]}}",
            "layer 'fc' is named twice");
    refuses("{\"config_groups\": {\"a\": {\"targets\": [\"fc\"], \"weights\": "
            "{\"num_bits\": 4}}, \"b\": {\"targets\": [\"fc\"], \"weights\": "
            "{\"num_bits\": 8}}}}",
            "layer 'fc' is named twice");
}

static void classes(void) {
    gives("{\"config_groups\": {\"a\": {\"targets\": [\"Linear\", \"Conv1d\", "
          "\"Conv2d\"], \"weights\": {\"num_bits\": 4}}, \"b\": {\"targets\": "
          "[\"re:.*conv1\"], \"weights\": {\"num_bits\": 8}}, \"c\": "
          "{\"targets\": [\"block.conv\"], \"weights\": {\"num_bits\": 2}}}, "
          "\"ignore\": [\"fc\"]}",
          plain, "882848ff", NULL);
    gives("{\"config_groups\": {\"a\": {\"targets\": [\"Conv2d\"], "
          "\"weights\": {\"num_bits\": 4}}}, \"ignore\": [\"Linear\", "
          "\"Conv1d\"]}",
          plain, "4848ffff", NULL);
    refuses("{\"config_groups\": {\"a\": {\"targets\": [\"Linear\"], "
            "\"weights\": {\"num_bits\": 4}}}}",
            "no bits for layer 'conv1' (read as compressed-tensors, 1 entries; "
            "classes are Linear");
}

/* Lists of what stays in float; nodes that are no layer's are passed over, and
 * a backslash only keeps a pattern's sign from being one. */
static void exceptions(void) {
    gives("{\"names\": [\"/fc/Gemm\", \"/act/Softmax\"]}", plain, "888888ff",
          NULL);
    gives("{\"names\": []}", plain, "88888888", NULL);
    gives("{\"quantize_mode\": \"int8\", \"nodes_to_exclude\": "
          "[\"\\\\/fc/Gemm\", \"/block/mix/Conv\"]}",
          plain, "8888ffff", NULL);
    gives("--int8 --layerPrecisions=/fc/Gemm:fp16,/block/mix/Conv:int8,"
          "/conv1/Conv:fp32,/block/Conv:int8 --fp16\n",
          plain, "ff8888ff", NULL);
    refuses("--layerPrecisions=/fc/Gemm:int4", "'/fc/Gemm:int4' is not a node");
    refuses("--layerPrecisions=/fc/Gemm:int8", "no bits for layer 'conv1'");
    refuses("--layerPrecisions=", "the file gives no layer its bits");
    refuses("{\"names\": [3]}", "\"names\": an entry is no text");
}

/* The forms of phones' and microcontrollers' toolkits, as they write them. */
static void toolkits(void) {
    gives("{\"version\": \"0.6.1\", \"param_encodings\": {\"conv1.weight\": "
          "[{\"bitwidth\": 4, \"dtype\": \"int\"}], \"fc.weight\": "
          "[{\"bitwidth\": 16, \"dtype\": \"float\"}], \"block.mix.weight\": "
          "[{\"bitwidth\": 8, \"dtype\": \"int\"}, {\"bitwidth\": 8}]}, "
          "\"activation_encodings\": {\"image\": [{\"bitwidth\": 4, "
          "\"dtype\": \"int\"}], \"elsewhere\": [{\"bitwidth\": 8}], \"u\": "
          "[{\"bitwidth\": 16, \"dtype\": \"float\"}]}}",
          plain, "44ff88ff", NULL);
    gives("{\"version\": \"2.0.0\", \"encodings\": [{\"name\": "
          "\"conv1.weight\", \"output_dtype\": \"int4\", \"y_scale\": 1}, "
          "{\"name\": \"image\", \"output_dtype\": \"uint4\"}, {\"name\": "
          "\"fc.weight\", \"output_dtype\": \"int2\"}]}",
          plain, "44ffff28", NULL);
    refuses("{\"param_encodings\": [{\"bw\": 8}]}", "'?' has no name");
    refuses("{\"param_encodings\": [{\"name\": \"fc.weight\"}]}",
            "the entry of 'fc.weight' has no bits");
    gives("[{\"regex\": \".*\", \"operation\": \"*\", \"algorithm_key\": "
          "\"min_max_uniform_quantize\", \"op_config\": "
          "{\"weight_tensor_config\": {\"num_bits\": 8}}}, "
          "{\"regex\": \".*\", \"operation\": \"FULLY_CONNECTED\", "
          "\"algorithm_key\": \"gptq\", \"op_config\": "
          "{\"weight_tensor_config\": {\"num_bits\": 4}}}, "
          "{\"regex\": \".*\", \"operation\": \"SOFTMAX\", \"algorithm_key\": "
          "\"no_quantize\"}, "
          "{\"regex\": \"(?<![\\\\w.])conv1(?![\\\\w.])\", \"operation\": "
          "\"*\", \"algorithm_key\": \"no_quantize\"}, "
          "{\"regex\": \"^block.m\", \"operation\": \"CONV_2D\", "
          "\"algorithm_key\": \"no_quantize\"}]",
          plain, "ff88ff48", NULL);
    refuses("[{\"regex\": \".*\", \"operation\": \"*\"}]",
            "entry '.*' has no \"num_bits\"");
    gives("{\"dispatching_table\": {\"dispatchings\": {\"YOUR NAME\": "
          "\"PLATFORM\", \"/conv1/Conv\": 0, \"/fc/Gemm\": 551, \"/Relu\": "
          "1}}}",
          plain, "ff888888", NULL);
    refuses("{\"dispatchings\": {\"/conv1/Conv\": 101}}",
            "'/conv1/Conv' has no platform of floats");
    gives("custom_quantize_layers:\n  out of /conv1/Conv: float16\n\n"
          "  'out of /fc/Gemm': int8\nquantize_parameters:\n"
          "  out of /block/Conv: float16\n",
          plain, "ff888888", NULL);
    gives("custom_quantize_layers: {}\n", plain, "88888888", NULL);
    refuses("custom_quantize_layers:\n  conv1: int3\n",
            "'conv1' has none of the types");
}

static void without_names(void) {
    gives("[2, 6, 4, 8]", plain, "28684888", NULL);
    refuses("[2, 6, 4]", "3 widths without names, but the model has 4 layers");
    refuses("[2, 6, 4, 8.5]", "entry 3 is not a width");
}

/* Numbers that no int holds, and those that Python writes. */
static void widths_that_are_none(void) {
    refuses("conv1 1e308\n", "1e+308 is not in 1 ... 32 bits");
    refuses("conv1 -1e308\n", "-1e+308 is not in 1 ... 32 bits");
    refuses("{\"conv1\": 1e308}", "\"conv1\" is not a width");
    refuses("{\"conv1\": NaN}", "\"conv1\" is not a width");
    refuses("{\"conv1\": -Infinity, \"NaN\": 3}", "\"conv1\" is not a width");
    refuses("{\"TensorQuantOverrides\": {\"fc.weight\": [{\"quant_type\": "
            "\"QInt4294967304\"}]}}",
            "has no \"quant_type\" of integers");
    refuses("conv1=q99999999999999999999", "is neither JSON nor pattern");
    CHECK(hawq_import_round(3.5) == 3 && hawq_import_round(3.6) == 4);
    CHECK(hawq_import_round(1e308) == 1000 &&
          hawq_import_round(-1e308) == -1000);
}

/* As many layers as entries, in a time that their square would not fit. */
static void many(void) {
    hawq_arena         arena = {0};
    hawq_import_layer *layer = hawq_arena_take(&arena, MANY, sizeof *layer);
    hawq_import_rule  *rule = hawq_arena_take(&arena, MANY, sizeof *rule);
    hawq_choice       *got = hawq_arena_take(&arena, MANY, sizeof *got);
    hawq_import        all = {
               .format = "many", .strict = true, .n = MANY, .rule = rule};
    hawq_import_match match;
    for (int i = 0; i < MANY; i++) {
        layer[i].name = hawq_arena_format(&arena, "block%d.conv", i);
        rule[MANY - 1 - i].name =
            hawq_arena_format(&arena, "module.block%d.conv", i);
        rule[MANY - 1 - i].weight_bits = 1 + i % 8;
    }
    CHECK_OK(hawq_import_apply(&all, MANY, layer, 8, &arena, got, &match));
    for (int i = 0; i < MANY; i++)
        if (!CHECK(got[i].weight_bits == 1 + i % 8)) break;
    hawq_arena_free(&arena);
}

/* Repetitions as they are written out. */
static void sizes_of_patterns(void) {
    CHECK(hawq_pattern_size("conv1") == 5);
    CHECK(hawq_pattern_size("a+") == 2 && hawq_pattern_size("a+++") == 8);
    CHECK(hawq_pattern_size("a*b?") == 2 && hawq_pattern_size("[]ab]x") == 2);
    CHECK(hawq_pattern_size("(ab){50}c") == 101);
    CHECK(hawq_pattern_size("((ab){50}){50}") == 5000);
    CHECK(hawq_pattern_size("a{2,}") == 3 && hawq_pattern_size("a{2,7}") == 7);
    CHECK(hawq_pattern_size("\\+\\(") == 2 && hawq_pattern_size("[+{(]") == 1);
    CHECK(hawq_pattern_size("((a+)+") == 4 && hawq_pattern_size("") == 0);
    CHECK(hawq_pattern_size("a{") == 1 && hawq_pattern_size(")+{") >= 0);
    char deep[200];
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    CHECK(isinf(hawq_pattern_size(deep)));
}

int main(void) {
    names_decide();
    wrapped_names();
    twice();
    classes();
    exceptions();
    toolkits();
    without_names();
    widths_that_are_none();
    many();
    sizes_of_patterns();
    DONE();
}
