/* test_accuracy.c -- the float executor on whole data sets.
 *
 * Claim: each real network gets as many images right as its makers' runtime
 * did, give or take 3 (ties and rounding), and the shipped one what README
 * says. The networks and CIFAR-10 are skipped where they are absent,
 * Fashion-MNIST where Debian's package is.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/sweep.h"
#include "src/load/dataset.h"
#include "src/load/onnx.h"
#include "tests/check.h"

typedef struct network {
    const char *model, *data; /* %s: the folder of networks and data */
    double      scale;
    int         n; /* of means and deviations */
    double      mean[3], std[3];
    size_t      right, images;
} network;

static const network networks[] = {
    {"%s/models/resnet20_cifar10.onnx",
     "cifar:%s/cifar10/test_batch.bin",
     1 / 255.0,
     3,
     {0.485, 0.456, 0.406},
     {0.229, 0.224, 0.225},
     9173,
     10000},
    {"%s/models/resnet56_cifar10.onnx",
     "cifar:%s/cifar10/test_batch.bin",
     1 / 255.0,
     3,
     {0.485, 0.456, 0.406},
     {0.229, 0.224, 0.225},
     9339,
     10000},
    {"%s/models/resnet8_cifar10.onnx",
     "cifar:%s/cifar10/test_batch.bin",
     1,
     0,
     {0},
     {0},
     8719,
     10000},
    {"%s/models/kws_dscnn_float.onnx",
     "%s/kws/kws1000.npz",
     1,
     0,
     {0},
     {0},
     901,
     1000},
};

static const network shipped = {"%s/tests/data/fashion_resnet8.onnx",
                                "idx:/usr/share/datasets/fashion-mnist/t10k",
                                0.00392157,
                                1,
                                {0.286},
                                {0.353},
                                9367,
                                10000};

/* The text with its %s, if any, replaced: a format that is no literal. */
static void print(char *out, size_t size, const char *text,
                  const char *folder) {
    const char *at = strstr(text, "%s");
    int         head = at ? (int)(at - text) : (int)strlen(text);
    snprintf(out, size, "%.*s%s%s", head, text, at ? folder : "",
             at ? at + 2 : "");
}

static void count(const network *w, const char *folder) {
    char                 model[4096], spec[4096];
    hawq_dataset_options options = {
        .scale = w->scale, .n_mean = w->n, .n_std = w->n};
    hawq_graph   *graph = NULL;
    hawq_threads *threads = NULL;
    hawq_engine  *engine = NULL;
    hawq_dataset  data = {0};
    size_t        right = 0;
    memcpy(options.mean, w->mean, sizeof w->mean);
    memcpy(options.std, w->std, sizeof w->std);
    print(model, sizeof model, w->model, folder);
    print(spec, sizeof spec, w->data, folder);
    if (CHECK_OK(hawq_onnx_load(model, 0, &graph)) &&
        CHECK_OK(hawq_dataset_load(spec, &options, &data)) &&
        CHECK_OK(hawq_dataset_check(&data, graph, spec)) &&
        CHECK_OK(hawq_threads_new(0, &threads)) &&
        CHECK_OK(
            hawq_engine_new(graph, threads, 0, HAWQ_CROSS_ENTROPY, &engine))) {
        hawq_batch batch = {data.n, data.x, data.labels, data.targets};
        hawq_engine_forward(engine, &batch, NULL, NULL, &right);
        printf("%s: %zu of %zu right\n", model, right, data.n);
        CHECK(data.n == w->images);
        CHECK_NEAR((double)right, (double)w->right, 3);
    }
    hawq_engine_free(engine);
    hawq_threads_free(threads);
    hawq_dataset_free(&data);
    hawq_graph_free(graph);
}

int main(void) {
    const char *folder = check_data(), *source = getenv("HAWQ_SOURCE");
    FILE       *fashion = fopen("/usr/share/datasets/fashion-mnist/"
                                      "t10k-images-idx3-ubyte.gz",
                                "rb");
    for (size_t i = 0; folder && i < sizeof networks / sizeof *networks; i++)
        count(&networks[i], folder);
    if (fashion && source) count(&shipped, source);
    if (!fashion) printf("skipped: no dataset-fashion-mnist\n");
    if (fashion) fclose(fashion);
    DONE();
}
