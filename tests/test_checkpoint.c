/* test_checkpoint.c -- a training that is killed with SIGKILL, twice, and
 * resumed with another number of threads, ends with the same bytes as one that
 * was not.
 *
 * And: a training that ended leaves no checkpoint; one that is not there is no
 * error; one of another training, or damaged, is refused by what is wrong with
 * it, and nothing is written then.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/file.h"
#include "tests/images.h"
#include "tests/program.h"

#include <signal.h>
#include <sys/stat.h>
#include <time.h>

enum { SIDE = 8, IMAGES = 1024, CLASSES = 4, MOST = 1 << 16 };

#define TRAIN                                                                  \
    "hawq-train --model resnet:8,16 --data idx:img --scale 0.01 --epochs 20 "  \
    "--batch-size 16 --nesterov --flip --shift 1 --seed 3 --format tsv "

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

static size_t load(const char *name, char *bytes) {
    uint64_t n = 0;
    if (!CHECK_OK(hawq_file_size(name, &n)) || !CHECK(n <= MOST)) return 0;
    CHECK_OK(hawq_file_read(name, 0, n, bytes));
    return n;
}

static bool same_files(const char *one, const char *other) {
    static char a[MOST], b[MOST];
    size_t      n = load(one, a);
    return n && n == load(other, b) && !memcmp(a, b, n);
}

static ino_t inode_of(const char *name) {
    struct stat info;
    return stat(name, &info) ? 0 : info.st_ino;
}

/* Starts the training and kills it as soon as `name` is another file. */
static void kill_when_replaced(const char *command, const char *name) {
    const struct timespec pause = {0, 200000};
    int                   state;
    ino_t                 before = inode_of(name), now = before;
    pid_t                 child = program_start(command);
    while ((now == before || !now) && waitpid(child, &state, WNOHANG) == 0) {
        nanosleep(&pause, NULL);
        now = inode_of(name);
    }
    kill(child, SIGKILL);
    CHECK(waitpid(child, &state, 0) == child && WIFSIGNALED(state));
}

static void killed_and_resumed_is_uninterrupted(void) {
    static char whole[PROGRAM_TEXT];
    program_step(TRAIN "-o whole.onnx --threads 1", 0);
    snprintf(whole, sizeof whole, "%s", program_out);
    CHECK(!inode_of("whole.onnx.checkpoint"));
    kill_when_replaced(TRAIN "-o part.onnx --threads 1",
                       "part.onnx.checkpoint");
    CHECK(!same_files("whole.onnx", "part.onnx"));
    kill_when_replaced(TRAIN "-o part.onnx --threads 2 --resume",
                       "part.onnx.checkpoint");
    program_says(TRAIN "-o part.onnx --threads 2 --resume", 0,
                 "part.onnx.checkpoint: going on after epoch ");
    CHECK(same_files("whole.onnx", "part.onnx"));
    CHECK(!inode_of("part.onnx.checkpoint"));
    /* the last line, but for the seconds at its end */
    const char *last = strstr(whole, "\n20\t"),
               *now = strstr(program_out, "\n20");
    if (CHECK(last && now)) {
        const char *end = strstr(last, "\t\t\t");
        CHECK(end && !strncmp(last, now, (size_t)(end - last)));
    }
    CHECK(!strncmp(program_out, "epoch\t", 6) && !strstr(program_out, "\n1\t"));
}

static void checkpoints_are_checked(void) {
    static char bytes[MOST];
    kill_when_replaced(TRAIN "-o part.onnx", "part.onnx.checkpoint");
    size_t n = load("part.onnx.checkpoint", bytes);
    if (!n) return;
    program_says(TRAIN "-o part.onnx --resume --rate 0.05", 2,
                 "part.onnx.checkpoint: is of another training: there 'rate "
                 "0.1");
    program_says(TRAIN "-o part.onnx --resume --skip 1", 2,
                 "there 'data idx:img --scale 0.01', here 'data idx:img "
                 "--scale 0.01 --skip 1'");
    bytes[n / 2] ^= 1;
    CHECK_OK(hawq_file_write("part.onnx.checkpoint", bytes, n));
    ino_t before = inode_of("part.onnx");
    program_says(TRAIN "-o part.onnx --resume", 1,
                 "part.onnx.checkpoint: is no checkpoint, or damaged");
    bytes[n / 2] ^= 1;
    for (size_t keep = 0; keep < n; keep += n / 5) {
        CHECK_OK(hawq_file_write("part.onnx.checkpoint", bytes, keep));
        program_step(TRAIN "-o part.onnx --resume", 1);
    }
    CHECK(inode_of("part.onnx") == before);
    program_says(TRAIN "-o other.onnx --resume", 0,
                 "other.onnx.checkpoint: there is none; starting a new "
                 "training");
    CHECK(same_files("whole.onnx", "other.onnx"));
}

int main(void) {
    if (!program_open()) return 1;
    put_images();
    if (program_built("hawq-train")) {
        killed_and_resumed_is_uninterrupted();
        checkpoints_are_checked();
    }
    program_close();
    DONE();
}
