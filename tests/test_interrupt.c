/* test_interrupt.c -- programs that are told to end, or kept short, by the
 * system.
 *
 * Claims: after Ctrl-C and SIGTERM one sentence on stderr says what is stored,
 * the signal is what ended the program, and the command line it gives goes on
 * to the same bytes as a run that was left alone; a file may not grow beyond
 * the limit of its size, which is a failure like any other, and nothing that
 * was stored before is lost; an address space too small for OpenBLAS's threads
 * is large enough for a program.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "tests/images.h"
#include "tests/program.h"

#include <sys/resource.h>
#include <time.h>

enum { SIDE = 8, IMAGES = 256, CLASSES = 4 };

#define TRAIN                                                                  \
    "hawq-train --model resnet:8,16 --data idx:img --scale 0.01 --seed 3 "     \
    "--batch-size 16 --format tsv "
#define ANALYZE                                                                \
    "hawq-analyze net.onnx --data idx:img --scale 0.01 --samples 64 "          \
    "--batch-size 16 --metric trace --format json "

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

/* Samples of run 1. */
static bool has_samples(void) {
    hawq_store         *store;
    hawq_arena          arena = {0};
    hawq_sample_record *row;
    int                 n = 0;
    if (hawq_store_open("part.db", HAWQ_STORE_READ, &store)) return false;
    if (hawq_store_load_samples(store, 1, "trace", &arena, &n, &row)) n = 0;
    hawq_arena_free(&arena);
    hawq_store_close(store);
    return n > 0;
}

/* Some time after the file is there: between the writing of a checkpoint and
 * the program's note of it a signal still finds the old note. */
static bool has_checkpoint(void) {
    static int seen;
    seen = access("part.onnx.checkpoint", F_OK) ? 0 : seen + 1;
    return seen > 400;
}

/* Sends the signal once there is something to go on with. */
static int signalled(const char *command, bool (*ready)(void), int number) {
    const struct timespec pause = {0, 500000};
    siginfo_t             info = {0};
    pid_t                 child = program_start(command);
    while (!ready() && !info.si_pid) {
        nanosleep(&pause, NULL);
        waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
    }
    kill(child, number);
    return program_end(child);
}

/* Takes the command line from the last line of what was said. */
static bool go_on(const char *program, char command[1024]) {
    const char *at = strstr(program_err, "; go on with\n    ");
    if (!CHECK(at != NULL)) {
        program_show(program);
        return false;
    }
    snprintf(command, 1024, "%s", at + strlen("; go on with\n    "));
    command[strcspn(command, "\n")] = '\0';
    return CHECK(!strncmp(command, program, strlen(program)) &&
                 strstr(command, " --resume "));
}

static void analysis_says_what_is_stored(void) {
    static char whole[PROGRAM_TEXT];
    char        command[1024];
    if (!program_step(ANALYZE "--db whole.db", 0)) return;
    memcpy(whole, program_out, sizeof whole);
    int code = signalled(ANALYZE "--db part.db", has_samples, SIGINT);
    if (!CHECK(code == 128 + SIGINT) || !CHECK(!*program_out)) {
        program_show("hawq-analyze");
        return;
    }
    CHECK(strstr(program_err, "hawq-analyze: interrupted by SIGINT; run 1 in "
                              "part.db keeps what was found so far; go on "));
    if (go_on("hawq-analyze", command) && program_step(command, 0))
        CHECK(strlen(whole) > 100 && !strcmp(whole, program_out));
}

static void training_says_what_is_stored(void) {
    char command[1024];
    int  code = signalled(TRAIN "--epochs 200 --output part.onnx",
                          has_checkpoint, SIGTERM);
    if (!CHECK(code == 128 + SIGTERM)) program_show("hawq-train");
    CHECK(strstr(program_err, "hawq-train: ended by SIGTERM; "
                              "part.onnx.checkpoint keeps the training up to "
                              "epoch "));
    if (go_on("hawq-train", command))
        CHECK(signalled(command, has_checkpoint, SIGKILL) == 128 + SIGKILL);
}

/* Runs it with a limit of the shell's ulimit; -1 where it cannot be set. */
static int limited(int what, rlim_t limit, const char *command) {
    struct rlimit before, small;
    if (getrlimit((__rlimit_resource_t)what, &before)) return -1;
    small = (struct rlimit){limit, before.rlim_max};
    if (setrlimit((__rlimit_resource_t)what, &small)) return -1;
    pid_t child = program_start(command);
    setrlimit((__rlimit_resource_t)what, &before);
    return program_end(child);
}

/* A database with samples is larger, and so is a network. */
static void files_have_a_limit(void) {
    static char whole[PROGRAM_TEXT];
    if (!program_step(ANALYZE "--db whole2.db", 0)) return;
    memcpy(whole, program_out, sizeof whole);
    int code = limited(RLIMIT_FSIZE, 200 << 10, ANALYZE "--db short.db");
    if (!CHECK(code == 1) || !CHECK(strstr(program_err, "204800 bytes")))
        program_show("hawq-analyze with a limit");
    if (program_step(ANALYZE "--db short.db --resume", 0))
        CHECK(!strcmp(whole, program_out));
    code = limited(RLIMIT_FSIZE, 4096, TRAIN "--epochs 1 --output long.onnx");
    if (!CHECK(code == 1) || !CHECK(strstr(program_err, "File too large")))
        program_show("hawq-train with a limit");
    CHECK(access("long.onnx", F_OK) != 0);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
enum { SANITIZED = __has_feature(address_sanitizer) };
#else
enum { SANITIZED = 0 };
#endif

/* What needs OpenBLAS ends with a sentence, what does not with its result. */
static void little_room_is_said(void) {
    int code = limited(RLIMIT_AS, 150000 << 10, ANALYZE "--db none.db");
    if (!CHECK(code == 1) || !CHECK(strstr(program_err, "ulimit -v")))
        program_show("hawq-analyze");
}

/* SIGALRM, if it does not end. */
static void address_space_has_a_limit(void) {
    static const char *const name[] = {"hawq-analyze", "hawq-search",
                                       "hawq-bench", "hawq-train"};
    char                     command[64];
    if (SANITIZED) return; /* a sanitizer takes terabytes of addresses */
    little_room_is_said();
    for (int i = 0; i < 4; i++) {
        if (!program_built(name[i])) continue;
        snprintf(command, sizeof command, "%s --version", name[i]);
        int code = limited(RLIMIT_AS, 150000 << 10, command);
        if (!CHECK(code == 0)) program_show(command);
    }
}

int main(void) {
    alarm(300);
    if (!CHECK(program_open())) DONE();
    put_images();
    if (program_built("hawq-train") && program_built("hawq-analyze") &&
        program_step(TRAIN "--epochs 1 --output net.onnx", 0)) {
        analysis_says_what_is_stored();
        training_says_what_is_stored();
        files_have_a_limit();
        address_space_has_a_limit();
    }
    program_close();
    DONE();
}
