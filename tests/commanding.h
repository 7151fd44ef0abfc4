/* commanding.h -- all programs from outside: small networks and images in an
 * empty folder, and how a program is run on them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_COMMANDING_H
#define HAWQ_TESTS_COMMANDING_H
#include "results/sql.h"
#include "src/load/onnx.h"
#include "src/ops/ops.h"
#include "src/train/model.h"
#include "tests/check.h"
#include "tests/images.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIDE = 8, CLASSES = 3, IMAGES = 96, TEXT = 1 << 18, MOST_ARGS = 32 };

static char        folder[] = "/tmp/hawq-cli-XXXXXX";
static const char *programs; /* the build folder */
static char        out_text[TEXT], err_text[TEXT];

/* --- running a program -------------------------------------------------- */

static inline void slurp(const char *name, char *text) {
    FILE  *f = fopen(name, "rb");
    size_t n = f ? fread(text, 1, TEXT - 1, f) : 0;
    text[n] = '\0';
    if (f) fclose(f);
}

static inline void redirect(const char *name, int to) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || dup2(fd, to) < 0) _exit(126);
    close(fd);
}

/* Cuts a command at blanks; no quoting. */
static inline int cut(char *command, char **argv) {
    int n = 0;
    for (char *at = strtok(command, " "); at && n < MOST_ARGS - 1;
         at = strtok(NULL, " "))
        argv[n++] = at;
    argv[n] = NULL;
    return n;
}

static bool somebody_else; /* give up the superuser's rights first */

/* "hawq-search a b" with stdin empty; fills out_text and err_text. */
static inline int run(const char *text) {
    char command[1024], path[4096], *argv[MOST_ARGS];
    int  status;
    snprintf(command, sizeof command, "%s", text);
    cut(command, argv);
    snprintf(path, sizeof path, "%s/%s", programs, argv[0]);
    pid_t child = fork();
    if (child == 0) {
        redirect("stdout.txt", STDOUT_FILENO);
        redirect("stderr.txt", STDERR_FILENO);
        if (!freopen("/dev/null", "r", stdin)) _exit(126);
        if (somebody_else && (setgid(65534) || setuid(65534))) _exit(126);
        execv(path, argv);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    slurp("stdout.txt", out_text);
    slurp("stderr.txt", err_text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline bool built(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", programs, name);
    if (!access(path, X_OK)) return true;
    printf("skipped: %s is not built\n", name);
    return false;
}

static inline void show(const char *command, int code) {
    printf("    %s\n    exit %d\n    stdout: %.2000s\n    stderr: %.2000s\n",
           command, code, out_text, err_text);
}

/* --- fixtures: a network of four layers and grey images ----------------- */

/* PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte: noise in which a
 * bright row stands at the label's place. */
static inline void put_images(const char *prefix, int n, int side,
                              int classes) {
    static unsigned char x[16 + IMAGES * SIDE * SIDE], y[8 + IMAGES];
    for (int i = 0; i < n; i++) {
        y[8 + i] = (unsigned char)((7 * i + i / 5) % classes);
        for (int p = 0; p < side * side; p++)
            x[16 + i * side * side + p] = striped_pixel(i, p, side, y[8 + i]);
    }
    put_idx(prefix, n, side, x, y);
}

static inline void put_networks(void) {
    const int64_t image[3] = {1, SIDE, SIDE};
    hawq_model    model;
    hawq_graph   *g;
    static char   bytes[1 << 16];
    if (!CHECK_OK(hawq_model_parse("resnet:4", &model)) ||
        !CHECK_OK(
            hawq_model_build(&model, 1, 16, image, CLASSES, hawq_op_find, &g)))
        return;
    hawq_tensor *fc = g->layer[g->n_layers - 1].weight; /* zero when built */
    for (size_t i = 0; i < fc->n; i++)
        fc->data[i] = (float)((int)(7 * i % 11) - 5) / 50;
    CHECK_OK(hawq_onnx_save("net.onnx", g, "test"));
    g->fixed_batch = true; /* 16 images, no other number */
    CHECK_OK(hawq_onnx_save("fixed.onnx", g, "test"));
    g->layer[1].weight->data[5] = NAN;
    CHECK_OK(hawq_onnx_save("nan.onnx", g, "test"));
    hawq_graph_free(g);
    FILE  *f = fopen("net.onnx", "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f) fclose(f);
    CHECK(n > 1000 && n < sizeof bytes);
    put_bytes("cut.onnx", bytes, n - 700);
    put_bytes("empty.onnx", "", 0);
    put_bytes("text.onnx", "just some words", 15);
}

static inline void put_fixtures(void) {
    put_networks();
    put_images("img", IMAGES, SIDE, CLASSES);
    put_images("small", IMAGES, SIDE / 2, CLASSES);
    put_images("labels", IMAGES, SIDE, 10);
    put_images("bare", IMAGES, SIDE, CLASSES);
    CHECK(unlink("bare-labels-idx1-ubyte") == 0);
    put_images("few", 5, SIDE, CLASSES);
}

/* --- the database, behind the programs' backs --------------------------- */

static inline void sql_script(const char *text) {
    hawq_arena arena = {0};
    hawq_sql  *db;
    if (CHECK_OK(hawq_sql_open("hawq.db", true, &arena, &db))) {
        CHECK_OK(hawq_sql_script(db, text));
        hawq_sql_close(db);
    }
    hawq_arena_free(&arena);
}

/* The number a query gives; -1 if there is no database. */
static inline int64_t sql_number(const char *query) {
    hawq_arena arena = {0};
    hawq_sql  *db;
    hawq_rows  rows;
    int64_t    value = -1;
    if (!access("hawq.db", R_OK) &&
        CHECK_OK(hawq_sql_open("hawq.db", false, &arena, &db))) {
        if (CHECK_OK(hawq_sql_query(db, query, &rows, 0, NULL)))
            while (hawq_sql_next(&rows)) value = hawq_sql_int(&rows, 0);
        hawq_sql_close(db);
    }
    hawq_arena_free(&arena);
    return value;
}

static inline bool no_row(void) {
    return sql_number("SELECT (SELECT count(*) FROM run) +"
                      " (SELECT count(*) FROM allocation) +"
                      " (SELECT count(*) FROM benchmark)") <= 0;
}

static inline void remove_database(void) {
    unlink("hawq.db");
    unlink("hawq.db-wal");
    unlink("hawq.db-shm");
}

static inline int step(const char *command, int want) {
    int code = run(command);
    if (CHECK(code == want)) return 1;
    show(command, code);
    return 0;
}

static inline void remove_folder(void) {
    DIR *dir = opendir(".");
    if (!dir) return;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') unlink(e->d_name);
    closedir(dir);
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
}

/* In the folder, with all fixtures; false: it cannot be made. */
static inline bool open_folder(void) {
    programs = getenv("HAWQ_BUILD");
    if (!programs || !mkdtemp(folder) || chdir(folder)) return false;
    put_fixtures();
    return true;
}

#endif
