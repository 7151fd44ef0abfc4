/* test_dataset.c -- reading images and labels.
 *
 * Claims: (1) every form of npz, idx and CIFAR-10 yields the numbers that were
 * written, scaled by (pixel * scale - mean) / std, from skip on, up to limit;
 * the labels left out if they are missing and need not be there;
 * (2) every malformed file and every misfit with a network is named in one
 * sentence with what was found and what was expected.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dataset.h"
#include "src/load/onnx.h"
#include "tests/check.h"

#include <unistd.h>

static char scratch[512]; /* a prefix for files that may be overwritten */

/* KIND + tests/data/FOLDER/NAME, in one of four buffers */
static const char *data_file(const char *kind, const char *name) {
    static char buffer[4][512];
    static int  next;
    const char *source = getenv("HAWQ_SOURCE");
    next = (next + 1) % 4;
    snprintf(buffer[next], sizeof buffer[next], "%s%s/tests/data/%s", kind,
             source ? source : ".", name);
    return buffer[next];
}

static int shaped(const hawq_dataset *d, size_t n, const char *shape) {
    char text[128];
    return d->n == n && strcmp(hawq_shape_text(&d->item, text), shape) == 0;
}

/* x[i] = i * factor for all pixels */
static int counts(const hawq_dataset *d, double factor) {
    size_t n = d->n * (size_t)hawq_shape_count(&d->item, 0, d->item.rank);
    for (size_t i = 0; i < n; i++)
        if ((double)d->x[i] != (double)(real)((double)i * factor)) return 0;
    return 1;
}

/* --- (1) --------------------------------------------------------------- */

static void npz_forms(void) {
    hawq_dataset d;
    if (CHECK_OK(
            hawq_dataset_load(data_file("", "dataset/f32.npz"), NULL, &d))) {
        CHECK(shaped(&d, 5, "3x2x2") && counts(&d, 1) && !d.targets);
        CHECK(d.labels[0] == 4 && d.labels[4] == 0);
        hawq_dataset_free(&d);
        CHECK(!d.x && d.n == 0);
    }
    if (CHECK_OK(
            hawq_dataset_load(data_file("", "dataset/u8.npz"), NULL, &d))) {
        CHECK(shaped(&d, 6, "2x2") && counts(&d, 1) && d.labels[5] == 5);
        hawq_dataset_free(&d);
    }
    if (CHECK_OK(
            hawq_dataset_load(data_file("", "dataset/f64.npz"), NULL, &d))) {
        CHECK(shaped(&d, 4, "3") && counts(&d, 0.125) && d.labels[3] == 3);
        hawq_dataset_free(&d);
    }
    if (CHECK_OK(
            hawq_dataset_load(data_file("", "dataset/i16.npz"), NULL, &d))) {
        CHECK(shaped(&d, 3, "2") && d.x[0] == -3 && d.x[5] == 2);
        CHECK(d.labels[0] == 1 && d.labels[1] == 0 && d.labels[2] == 1);
        hawq_dataset_free(&d);
    }
    if (CHECK_OK(hawq_dataset_load(data_file("", "dataset/targets.npz"), NULL,
                                   &d))) {
        CHECK(shaped(&d, 4, "4") && d.y.rank == 1 && d.y.dim[0] == 3);
        CHECK(hawq_dataset_answers(&d) == 3 && !d.labels);
        CHECK(d.targets[0] == 0 && (double)d.targets[11] == 5.5);
        hawq_dataset_free(&d);
    }
}

static void idx_forms(void) {
    static const char *const names[] = {"dataset/tiny", "dataset/zipped"};
    hawq_dataset             d;
    for (int i = 0; i < 2; i++) {
        const char *spec = data_file("idx:", names[i]);
        if (!CHECK_OK(hawq_dataset_load(spec, NULL, &d))) continue;
        CHECK(shaped(&d, 7, "3x4") && counts(&d, 1));
        CHECK(d.labels[0] == 0 && d.labels[5] == 2 && d.labels[6] == 0);
        hawq_dataset_free(&d);
    }
}

static void write_idx(const char *suffix, const void *bytes, size_t n) {
    char path[600];
    snprintf(path, sizeof path, "%s-%s", scratch, suffix);
    FILE *f = fopen(path, "wb");
    if (!CHECK(f && fwrite(bytes, 1, n, f) == n)) exit(1);
    fclose(f);
}

/* Labels that may be missing: they are, or are read as ever; or none is looked
 * at. Several an image are read with their shape. */
static void forms_without_labels(void) {
    hawq_dataset_options o = {.labels = HAWQ_LABELS_OPTIONAL};
    hawq_dataset         d;
    char                 name[600], spec[600];
    if (CHECK_OK(
            hawq_dataset_load(data_file("", "dataset/bad_no_y.npz"), &o, &d))) {
        CHECK(d.n > 0 && d.x && !d.labels && !d.targets && !d.y.rank);
        hawq_dataset_free(&d);
    }
    if (CHECK_OK(
            hawq_dataset_load(data_file("idx:", "dataset/tiny"), &o, &d))) {
        CHECK(shaped(&d, 7, "3x4") && d.labels && d.labels[5] == 2);
        hawq_dataset_free(&d);
    }
    CHECK_FAILS(
        hawq_dataset_load(data_file("", "dataset/bad_count.npz"), &o, &d),
        HAWQ_EFORMAT, "y has 4 rows");
    o.labels = HAWQ_LABELS_IGNORED;
    if (CHECK_OK(hawq_dataset_load(data_file("", "dataset/bad_count.npz"), &o,
                                   &d))) {
        CHECK(d.n == 5 && d.x && !d.labels && !d.targets);
        hawq_dataset_free(&d);
    }
    if (CHECK_OK(
            hawq_dataset_load(data_file("idx:", "dataset/tiny"), &o, &d))) {
        CHECK(shaped(&d, 7, "3x4") && !d.labels);
        hawq_dataset_free(&d);
    }
    o.labels = HAWQ_LABELS_OPTIONAL;
    if (CHECK_OK(hawq_dataset_load(data_file("", "dataset/wide_labels.npz"), &o,
                                   &d))) {
        CHECK(d.n == 5 && d.y.rank == 1 && hawq_dataset_answers(&d) == 2);
        hawq_dataset_free(&d);
    }
    snprintf(spec, sizeof spec, "idx:%s", scratch);
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", scratch);
    write_idx("images-idx3-ubyte", "\0\0\x08\x03\0\0\0\2\0\0\0\1\0\0\0\1ab",
              18);
    o.skip = 1;
    if (CHECK_OK(hawq_dataset_load(spec, &o, &d))) {
        CHECK(shaped(&d, 1, "1x1") && d.x[0] == 'b' && !d.labels);
        hawq_dataset_free(&d);
    }
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EIO,
                "-ubyte.gz is there");
    unlink(name);
}

/* n records whose label is i % 10 and whose pixels are (7 i + j) mod 256 */
static void write_cifar(const char *path, int n, size_t extra) {
    static unsigned char record[3073];
    FILE                *f = fopen(path, "wb");
    if (!CHECK(f)) exit(1);
    for (int i = 0; i < n; i++) {
        record[0] = (unsigned char)(i % 10);
        for (int j = 0; j < 3072; j++)
            record[1 + j] = (unsigned char)(7 * i + j);
        CHECK(fwrite(record, 1, sizeof record, f) == sizeof record);
    }
    CHECK(fwrite(record, 1, extra, f) == extra);
    fclose(f);
}

static void cifar_and_options(void) {
    char                 a[600], b[600], spec[1300];
    hawq_dataset         d;
    hawq_dataset_options o = {.scale = 1 / 255.0,
                              .n_mean = 3,
                              .n_std = 1,
                              .mean = {0.5, 0.25, 0.125},
                              .std = {0.5},
                              .skip = 3,
                              .limit = 2};
    snprintf(a, sizeof a, "%s.a.bin", scratch);
    snprintf(b, sizeof b, "%s.b.bin", scratch);
    snprintf(spec, sizeof spec, "cifar:%s,%s", a, b);
    write_cifar(a, 4, 0);
    write_cifar(b, 3, 0);
    if (CHECK_OK(hawq_dataset_load(spec, NULL, &d))) {
        CHECK(shaped(&d, 7, "3x32x32"));
        CHECK(d.labels[3] == 3 && d.labels[4] == 0);
        CHECK(d.x[4 * 3072 + 5] == 5 &&
              d.x[3 * 3072 + 300] == (21 + 300) % 256);
        hawq_dataset_free(&d);
    }
    /* images 3 (last of a) and 4 (first of b) */
    if (CHECK_OK(hawq_dataset_load(spec, &o, &d))) {
        CHECK(shaped(&d, 2, "3x32x32") && d.first == 3);
        CHECK(d.labels[0] == 3 && d.labels[1] == 0);
        CHECK_NEAR((double)d.x[0], (21 / 255.0 - 0.5) / 0.5, 1e-6);
        CHECK_NEAR((double)d.x[3072 + 1024], (0 / 255.0 - 0.25) / 0.5, 1e-6);
        CHECK_NEAR((double)d.x[3072 + 2049], (1 / 255.0 - 0.125) / 0.5, 1e-6);
        hawq_dataset_free(&d);
    }
    o.limit = 100;
    if (CHECK_OK(hawq_dataset_load(spec, &o, &d))) {
        CHECK(d.n == 4);
        hawq_dataset_free(&d);
    }
    o.skip = 7;
    CHECK_FAILS(hawq_dataset_load(spec, &o, &d), HAWQ_EINVAL,
                "--skip 7 leaves no image: 7 are there");
    o = (hawq_dataset_options){.n_mean = 2};
    CHECK_FAILS(hawq_dataset_load(spec, &o, &d), HAWQ_EINVAL,
                "--mean has 2 values, expected 1 or 3");
    o = (hawq_dataset_options){.n_std = 1, .std = {0}};
    CHECK_FAILS(hawq_dataset_load(spec, &o, &d), HAWQ_EINVAL,
                "--std: 0, expected more than 0");
    write_cifar(b, 1, 100);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EFORMAT,
                "found 3173 bytes, expected 6146");
    CHECK(strstr(hawq_message(), b) != NULL);
    unlink(a);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EIO, "cannot be read");
    unlink(b);
}

/* Debian's dataset-fashion-mnist, where it is installed. */
static void fashion_mnist(void) {
    const char  *prefix = "/usr/share/datasets/fashion-mnist/t10k";
    char         spec[128];
    hawq_dataset d;
    snprintf(spec, sizeof spec, "%s-images-idx3-ubyte.gz", prefix);
    if (access(spec, R_OK) != 0) {
        printf("skipped: dataset-fashion-mnist is not installed\n");
        return;
    }
    snprintf(spec, sizeof spec, "idx:%s", prefix);
    if (!CHECK_OK(hawq_dataset_load(spec, NULL, &d))) return;
    int of_class[10] = {0};
    CHECK(shaped(&d, 10000, "28x28"));
    for (size_t i = 0; i < d.n; i++) of_class[d.labels[i]]++;
    for (int c = 0; c < 10; c++) CHECK(of_class[c] == 1000);
    hawq_dataset_free(&d);
}

/* --- (2) --------------------------------------------------------------- */

static void bad_files_are_named(void) {
    static const struct {
        const char *name, *text;
        hawq_status code;
    } bad[] = {
        {"big_endian", "x holds numbers of type '>f4'", HAWQ_EUNSUPPORTED},
        {"fortran", "x is in Fortran order", HAWQ_EUNSUPPORTED},
        {"object", "x holds numbers of type '|O'", HAWQ_EUNSUPPORTED},
        {"scalar", "x is a scalar", HAWQ_EFORMAT},
        {"count", "x has 5 images, y has 4 rows", HAWQ_EFORMAT},
        {"nan", "image 2 holds NaN", HAWQ_ENONFINITE},
        {"empty", "holds no image", HAWQ_EFORMAT},
        {"no_y", "y is not in the archive", HAWQ_EFORMAT},
        {"shape",
         "x is truncated or too long: found 80 bytes of numbers, "
         "expected 224",
         HAWQ_EFORMAT},
        {"flipped", "x cannot be decompressed: CRC error", HAWQ_EFORMAT},
        {"huge", "x claims 2147483648 bytes in an archive", HAWQ_EFORMAT},
        {"truncated", "is not an .npz archive", HAWQ_EFORMAT},
        {"text", "is not an .npz archive", HAWQ_EFORMAT},
        {"missing", "cannot be read: No such file", HAWQ_EIO},
    };
    hawq_dataset d;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char name[64];
        snprintf(name, sizeof name, "dataset/bad_%s.npz", bad[i].name);
        const char *path = data_file("", name);
        hawq_status status = hawq_dataset_load(path, NULL, &d);
        if (!CHECK(status == bad[i].code &&
                   strstr(hawq_message(), bad[i].text) &&
                   strncmp(hawq_message(), path, strlen(path)) == 0))
            printf("    %s: %s\n", bad[i].name, hawq_message());
    }
}

/* One to three bits of a file flipped, or its end cut off: images or a
 * sentence. */
static void damage(const char *name) {
    static unsigned char bytes[4096];
    char                 path[600];
    uint32_t             state = 2463534242u; /* xorshift, Marsaglia 2003 */
    hawq_dataset         d;
    FILE                *f = fopen(data_file("", name), "rb");
    if (!CHECK(f)) return;
    size_t n = fread(bytes, 1, sizeof bytes, f), bad = 0;
    fclose(f);
    for (size_t trial = 0; trial < 300 + n; trial++) {
        size_t kept = trial < 300 ? n : trial - 300;
        snprintf(path, sizeof path, "%s.npz", scratch);
        if (!CHECK((f = fopen(path, "wb")))) return;
        for (size_t i = 0; i < kept; i++) fputc(bytes[i], f);
        for (int flips = trial < 300 ? 1 + (int)(trial % 3) : 0; flips--;) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            fseek(f, (long)(state % n), SEEK_SET);
            fputc(bytes[state % n] ^ (1 << (state >> 16) % 8), f);
        }
        fclose(f);
        hawq_status status = hawq_dataset_load(path, NULL, &d);
        if (status == HAWQ_OK)
            hawq_dataset_free(&d);
        else
            bad += strncmp(hawq_message(), path, strlen(path)) != 0;
    }
    CHECK(bad == 0);
    unlink(path);
}

static void bad_specifications_are_named(void) {
    hawq_dataset d;
    char         spec[600];
    CHECK_FAILS(hawq_dataset_load("dir:images", NULL, &d), HAWQ_EUNSUPPORTED,
                "supported are file.npz, idx:PREFIX, cifar:");
    CHECK_FAILS(hawq_dataset_load("images.png", NULL, &d), HAWQ_EUNSUPPORTED,
                "images.png: is no kind of data that is read");
    CHECK_FAILS(hawq_dataset_load("idx:", NULL, &d), HAWQ_EINVAL,
                "data 'idx:' name no file; supported are file.npz");
    CHECK_FAILS(hawq_dataset_load("cifar:", NULL, &d), HAWQ_EINVAL,
                "data 'cifar:' name no file; supported are file.npz");
    CHECK_FAILS(hawq_dataset_load("cifar:,b.bin", NULL, &d), HAWQ_EINVAL,
                "cifar:,b.bin: the name of file 1 is empty");
    CHECK_FAILS(hawq_dataset_load("cifar:/nowhere.bin", NULL, &d), HAWQ_EIO,
                "cifar:/nowhere.bin: cannot be read: No such file");
    CHECK_FAILS(hawq_dataset_load("cifar:/no.bin,b", NULL, &d), HAWQ_EIO,
                "cifar:/no.bin,b: /no.bin: cannot be read: No such file");
    CHECK_FAILS(hawq_dataset_load("idx:nowhere/t10k", NULL, &d), HAWQ_EIO,
                "neither nowhere/t10k-images-idx3-ubyte nor");
    CHECK_FAILS(hawq_dataset_load(data_file("idx:", "dataset/cut"), NULL, &d),
                HAWQ_EFORMAT, "idx3-ubyte.gz: ");

    snprintf(spec, sizeof spec, "idx:%s", scratch);
    write_idx("images-idx3-ubyte", "\0\0\x08\x01\0\0\0\1\0\0\0\1\0\0\0\2ab",
              18);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EFORMAT,
                "magic number 0x00000801, expected 0x00000803");
    write_idx("images-idx3-ubyte", "\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\3ab",
              18);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EFORMAT,
                "truncated: found 18 bytes, expected 19");
    write_idx("images-idx3-ubyte",
              "\0\0\x08\x03\xff\xff\xff\0\0\0\1\0\0\0\1\0ab", 18);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EFORMAT, "elements");
    write_idx("images-idx3-ubyte", "\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\1ab",
              18);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EFORMAT,
                "more bytes than the 17");
    write_idx("images-idx3-ubyte", "\0\0\x08", 3);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EFORMAT,
                "truncated: found 3 bytes, expected 16");
    write_idx("images-idx3-ubyte", "", 0);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EFORMAT, "is empty");
    write_idx("images-idx3-ubyte", "\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\2ab",
              18);
    write_idx("labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\2ab", 10);
    CHECK_FAILS(hawq_dataset_load(spec, NULL, &d), HAWQ_EFORMAT,
                "-ubyte has 1 images");
    for (int i = 0; i < 2; i++) {
        snprintf(spec, sizeof spec, "%s-%s", scratch,
                 i ? "images-idx3-ubyte" : "labels-idx1-ubyte");
        unlink(spec);
    }
}

/* The k-th request for memory fails, for every k: a sentence, and no leak. */
static void no_memory(const char *spec) {
    hawq_dataset d;
    int          failures = 0;
    for (long k = 1; k < 100; k++, failures++) {
        hawq_arena_fail_at(k);
        hawq_status status = hawq_dataset_load(spec, NULL, &d);
        hawq_arena_fail_at(0);
        if (status == HAWQ_OK) break;
        CHECK(status == HAWQ_ENOMEM && strstr(hawq_message(), "memory"));
    }
    CHECK(failures >= 1 && failures < 99);
    hawq_dataset_free(&d);
}

/* A network of 2x3x4 pixels and 5 classes, one that fixes batches of 2. */
static void misfits_are_named(void) {
    hawq_graph  *g, *fixed;
    real         x[96] = {0};
    int64_t      labels[4] = {0, 4, 2, 1};
    hawq_dataset d = {.n = 4,
                      .item = {3, {2, 3, 4}},
                      .x = x,
                      .n_inputs = 1,
                      .labels = labels};
    const char  *free_batch = data_file("", "onnx/reshape_chain_opset13.onnx");
    if (!CHECK_OK(hawq_onnx_load(free_batch, 3, &g))) return;
    if (!CHECK_OK(
            hawq_onnx_load(data_file("", "onnx/fixed_batch.onnx"), 3, &fixed)))
        return;
    CHECK_OK(hawq_dataset_check(&d, g, "d"));
    d.item = (hawq_shape){5, {1, 2, 3, 1, 4}};
    CHECK_OK(hawq_dataset_check(&d, g, "d"));
    d.item = (hawq_shape){3, {3, 2, 4}};
    CHECK_FAILS(hawq_dataset_check(&d, g, "d.npz"), HAWQ_EINVAL,
                "d.npz: images have shape 3x2x4, the model's input expects "
                "2x3x4");
    d.item = (hawq_shape){1, {24}};
    CHECK_FAILS(hawq_dataset_check(&d, g, "d"), HAWQ_EINVAL, "shape 24");
    d.item = (hawq_shape){3, {2, 3, 4}};
    CHECK_OK(hawq_dataset_check_loss(&d, g, HAWQ_CROSS_ENTROPY, "d"));
    labels[2] = 5;
    d.first = 10;
    CHECK_FAILS(hawq_dataset_check_loss(&d, g, HAWQ_CROSS_ENTROPY, "d"),
                HAWQ_EINVAL, "d: label of image 12 is 5, expected 0 to 4");
    labels[2] = -1;
    CHECK_FAILS(hawq_dataset_check_loss(&d, g, HAWQ_MSE, "d"), HAWQ_EINVAL,
                "is -1");
    d.labels = NULL;
    d.targets = x;
    d.y = (hawq_shape){1, {4}};
    CHECK_FAILS(hawq_dataset_check_loss(&d, g, HAWQ_MSE, "d"), HAWQ_EINVAL,
                "d: y holds targets (floating point, N x 4), and the output is "
                "N x 5: they must have the same shape; a y of floating point "
                "holds targets, one of integers labels");
    d.n = 0;
    CHECK_FAILS(hawq_dataset_check(&d, g, "d"), HAWQ_EINVAL, "no image");
    d = (hawq_dataset){
        .n = 1, .item = {2, {2, 2}}, .x = x, .n_inputs = 1, .labels = labels};
    CHECK_FAILS(hawq_dataset_check(&d, fixed, "d"), HAWQ_EINVAL,
                "fewer images than a batch: found 1, the model fixes batches "
                "of 2");
    hawq_graph_free(g);
    hawq_graph_free(fixed);
}

int main(void) {
    const char *build = getenv("HAWQ_BUILD");
    snprintf(scratch, sizeof scratch, "%s/test_dataset.%ld",
             build ? build : ".", (long)getpid());
    npz_forms();
    idx_forms();
    forms_without_labels();
    cifar_and_options();
    fashion_mnist();
    bad_files_are_named();
    damage("dataset/plain.npz");
    damage("dataset/packed.npz");
    bad_specifications_are_named();
    no_memory(data_file("", "dataset/f32.npz"));
    no_memory(data_file("idx:", "dataset/tiny"));
    misfits_are_named();
    DONE();
}
