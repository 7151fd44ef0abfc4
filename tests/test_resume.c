/* test_resume.c -- an analysis that is killed with SIGKILL, thrice, and resumed
 * with another number of threads, prints the same bytes as one that was not.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"
#include "tests/check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LAYERS = 10, WIDTHS = 10 }; /* of the network analysed */
static char folder[] = "/tmp/hawq-resume-XXXXXX";
static char program[4096], model[4096], data[4096];
static int  n_samples = 16; /* and what else makes the run long or short */
static char samples[16], batch[] = "8", images[] = "24";

static const char *path(const char *name) {
    static char text[2][256];
    static int  k;
    k = !k;
    snprintf(text[k], sizeof text[k], "%s/%s", folder, name);
    return text[k];
}

/* Starts hawq-analyze; its standard output goes to folder/out. */
static pid_t start(const char *db, const char *out, const char *threads,
                   const char *resume) {
    char  file[256];
    pid_t pid;
    snprintf(file, sizeof file, "%s", path(db));
    fflush(stdout);
    if ((pid = fork()) != 0) return pid;
    int to = open(path(out), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0 || dup2(to, STDOUT_FILENO) < 0) _exit(9);
    execl(program, program, model, "--data", data, "--db", file, "--samples",
          samples, "--batch-size", batch, "--images", images, "--metric",
          "trace,measured,sqnr,quadratic,cross,depth", "--activation-bits",
          "8,4", "--format", "json", "--quiet", "--threads", threads, resume,
          (char *)NULL);
    _exit(9);
}

/* How far run 1 of the database has come: samples, then layers measured, then
 * layers multiplied, then activations; -1 if there is nothing to be read yet.
 */
static int progress_of(const char *db, const char *what) {
    hawq_store *store;
    hawq_arena  arena = {0};
    int         n = -1;
    if (hawq_store_open(path(db), HAWQ_STORE_READ, &store)) return -1;
    if (strcmp(what, "trace") == 0) {
        hawq_sample_record *row;
        if (hawq_store_load_samples(store, 1, what, &arena, &n, &row)) n = -1;
    } else if (strcmp(what, "activations") == 0) {
        hawq_activation_record *row;
        if (hawq_store_load_activations(store, 1, &arena, &n, &row)) n = -1;
    } else {
        hawq_sensitivity_record *row;
        if (hawq_store_load_sensitivity(store, 1, what, &arena, &n, &row))
            n = -1;
    }
    hawq_arena_free(&arena);
    hawq_store_close(store);
    return n;
}

/* Kills the process as soon as it has put `least` rows of `what`. */
static void kill_at(pid_t pid, const char *db, const char *what, int least) {
    const struct timespec pause = {0, 500000};
    int                   state;
    while (progress_of(db, what) < least && waitpid(pid, &state, WNOHANG) == 0)
        nanosleep(&pause, NULL);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, &state, 0) == pid && WIFSIGNALED(state));
}

static void finish(pid_t pid) {
    int state;
    CHECK(waitpid(pid, &state, 0) == pid);
    CHECK(WIFEXITED(state) && WEXITSTATUS(state) == 0);
}

static size_t read_file(const char *name, char *text, size_t size) {
    FILE *f = fopen(path(name), "rb");
    if (!CHECK(f != NULL)) return 0;
    size_t n = fread(text, 1, size, f);
    fclose(f);
    return n;
}

/* The codes of data-dependent candidates are the same bytes, too. */
static void same_codes(void) {
    hawq_store            *store[2] = {NULL, NULL};
    hawq_quantized_record *row[2];
    hawq_arena             arena = {0};
    int                    n[2], coded = 0;
    CHECK_OK(hawq_store_open(path("whole.db"), HAWQ_STORE_READ, &store[0]));
    CHECK_OK(hawq_store_open(path("killed.db"), HAWQ_STORE_READ, &store[1]));
    for (int l = 0; store[0] && store[1] && l < LAYERS; l++) {
        for (int k = 0; k < 2; k++)
            CHECK_OK(hawq_store_load_quantized(store[k], 1, 0, l, &arena, &n[k],
                                               &row[k]));
        if (!CHECK(n[0] == WIDTHS && n[1] == WIDTHS)) break;
        for (int i = 0; i < WIDTHS; i++) {
            const hawq_quantized_record *a = &row[0][i], *b = &row[1][i];
            CHECK(!strcmp(a->candidate, b->candidate) && a->bytes == b->bytes);
            CHECK(a->n_codes == b->n_codes && !a->codes == !b->codes);
            if (a->codes) CHECK(!memcmp(a->codes, b->codes, a->n_codes));
            coded += a->codes != NULL;
        }
    }
    CHECK(coded > 0);
    for (int k = 0; k < 2; k++)
        if (store[k]) hawq_store_close(store[k]);
    hawq_arena_free(&arena);
}

static void killed_and_resumed(void) {
    static char whole[1 << 20], resumed[1 << 20];
    finish(start("whole.db", "whole.json", "1", "--quiet"));
    kill_at(start("killed.db", "out", "1", "--quiet"), "killed.db", "trace",
            3 * LAYERS);
    int before = progress_of("killed.db", "trace");
    CHECK(before >= 3 * LAYERS && before < n_samples * LAYERS);
    kill_at(start("killed.db", "out", "2", "--resume"), "killed.db",
            "quadratic", 2 * WIDTHS);
    CHECK(progress_of("killed.db", "trace") == n_samples * LAYERS);
    before = progress_of("killed.db", "quadratic");
    CHECK(before >= 2 * WIDTHS && before < LAYERS * WIDTHS);
    kill_at(start("killed.db", "out", "1", "--resume"), "killed.db",
            "activations", 2);
    before = progress_of("killed.db", "activations");
    CHECK(before >= 2 && before < LAYERS);
    finish(start("killed.db", "resumed.json", "2", "--resume"));
    size_t n = read_file("whole.json", whole, sizeof whole - 1);
    size_t m = read_file("resumed.json", resumed, sizeof resumed);
    CHECK(n > 1000 && n == m && memcmp(whole, resumed, n) == 0);
    whole[n] = '\0';
    CHECK(strstr(whole, "\"activations\": [") != NULL);
    same_codes();
}

/* A finished run is not resumed: another one begins. */
static void complete_is_not_resumed(void) {
    static char text[1 << 20];
    finish(start("killed.db", "again.json", "1", "--resume"));
    size_t n = read_file("again.json", text, sizeof text - 1);
    text[n] = '\0';
    CHECK(strstr(text, "\"run\": 2,") != NULL);
}

static void clean_up(void) {
    static const char *const name[] = {"whole.db",      "whole.db-wal",
                                       "whole.db-shm",  "killed.db",
                                       "killed.db-wal", "killed.db-shm",
                                       "whole.json",    "resumed.json",
                                       "again.json",    "out"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        unlink(path(name[i]));
    CHECK(rmdir(folder) == 0);
}

int main(void) {
    const char *reference = check_data(), *build = getenv("HAWQ_BUILD");
    if (!reference) return 77;
    if (!CHECK(build && mkdtemp(folder))) DONE();
    const char *quick = getenv("HAWQ_TEST_QUICK");
    if (quick && strcmp(quick, "1") == 0) {
        n_samples = 8;
        images[1] = '\0'; /* 2 images */
    }
    snprintf(samples, sizeof samples, "%d", n_samples);
    snprintf(program, sizeof program, "%s/hawq-analyze", build);
    snprintf(model, sizeof model, "%s/models/kws_dscnn_float.onnx", reference);
    snprintf(data, sizeof data, "%s/kws/kws1000.npz", reference);
    killed_and_resumed();
    complete_is_not_resumed();
    clean_up();
    DONE();
}
