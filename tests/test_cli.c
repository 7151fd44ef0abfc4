/* test_cli.c -- the programs from outside: what they print, where, and how
 * they end.
 *
 * Claims: help and version go to stdout and end with 0; bad usage and bad input
 * end with one sentence on stderr, nothing on stdout, the promised exit code,
 * and no row in the database; the whole way from a network to a benchmark works
 * and gives the same bytes for any number of threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/sql.h"
#include "src/cli/kit/cli.h"
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

static void slurp(const char *name, char *text) {
    FILE  *f = fopen(name, "rb");
    size_t n = f ? fread(text, 1, TEXT - 1, f) : 0;
    text[n] = '\0';
    if (f) fclose(f);
}

static void redirect(const char *name, int to) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || dup2(fd, to) < 0) _exit(126);
    close(fd);
}

/* Cuts a command at blanks; no quoting. */
static int cut(char *command, char **argv) {
    int n = 0;
    for (char *at = strtok(command, " "); at && n < MOST_ARGS - 1;
         at = strtok(NULL, " "))
        argv[n++] = at;
    argv[n] = NULL;
    return n;
}

static bool somebody_else; /* give up the superuser's rights first */

/* "hawq-search a b" with stdin empty; fills out_text and err_text. */
static int run(const char *text) {
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

static bool built(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", programs, name);
    if (!access(path, X_OK)) return true;
    printf("skipped: %s is not built\n", name);
    return false;
}

static void show(const char *command, int code) {
    printf("    %s\n    exit %d\n    stdout: %.2000s\n    stderr: %.2000s\n",
           command, code, out_text, err_text);
}

/* --- fixtures: a network of four layers and grey images ----------------- */

/* PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte: noise in which a
 * bright row stands at the label's place. */
static void put_images(const char *prefix, int n, int side, int classes) {
    static unsigned char x[16 + IMAGES * SIDE * SIDE], y[8 + IMAGES];
    for (int i = 0; i < n; i++) {
        y[8 + i] = (unsigned char)((7 * i + i / 5) % classes);
        for (int p = 0; p < side * side; p++)
            x[16 + i * side * side + p] = striped_pixel(i, p, side, y[8 + i]);
    }
    put_idx(prefix, n, side, x, y);
}

static void put_networks(void) {
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

static void put_fixtures(void) {
    put_networks();
    put_images("img", IMAGES, SIDE, CLASSES);
    put_images("small", IMAGES, SIDE / 2, CLASSES);
    put_images("labels", IMAGES, SIDE, 10);
    put_images("bare", IMAGES, SIDE, CLASSES);
    CHECK(unlink("bare-labels-idx1-ubyte") == 0);
    put_images("few", 5, SIDE, CLASSES);
}

/* --- the database, behind the programs' backs --------------------------- */

static void sql_script(const char *text) {
    hawq_arena arena = {0};
    hawq_sql  *db;
    if (CHECK_OK(hawq_sql_open("hawq.db", true, &arena, &db))) {
        CHECK_OK(hawq_sql_script(db, text));
        hawq_sql_close(db);
    }
    hawq_arena_free(&arena);
}

/* The number a query gives; -1 if there is no database. */
static int64_t sql_number(const char *query) {
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

static bool no_row(void) {
    return sql_number("SELECT (SELECT count(*) FROM run) +"
                      " (SELECT count(*) FROM allocation) +"
                      " (SELECT count(*) FROM benchmark)") <= 0;
}

static void remove_database(void) {
    unlink("hawq.db");
    unlink("hawq.db-wal");
    unlink("hawq.db-shm");
}

/* --- help --------------------------------------------------------------- */

static int widest_line(const char *text) {
    int widest = 0;
    for (const char *at = text; *at; at += at[strcspn(at, "\n")] == '\n') {
        int n = (int)strcspn(at, "\n");
        if (n > widest) widest = n;
        at += n;
    }
    return widest;
}

static void help_and_version(const char *program) {
    char        command[128], want[128];
    const char *common[] = {
        "--db FILE", "--threads N", "--seed N",  "--format table|tsv|csv|json",
        "--quiet",   "--verbose",   "--version", "--help"};
    const char *part[] = {
        "\nSQLite 3.", "\nGSL 2.",         "\nlibzip 1.",
        "\nzlib 1.",   "\nprotobuf-c 1.",  "\ncJSON 1.",
        "\nCBC 2.",    "\nOpenBLAS 0.",    "\ninteger kernels: ",
        " ref\n",      "\nfloat kernels: "};
    if (!built(program)) return;
    snprintf(command, sizeof command, "%s --help", program);
    int code = run(command);
    snprintf(want, sizeof want, "usage: %s ", program);
    int ok = CHECK(code == 0) & CHECK(!*err_text);
    ok &= CHECK(!strncmp(out_text, want, strlen(want)));
    ok &= CHECK(widest_line(out_text) <= 80);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        ok &= CHECK((strstr(out_text, common[i]) != NULL) ==
                    (i > 0 || strcmp(program, "hawq-train") != 0));
    if (!ok) show(command, code);
    snprintf(command, sizeof command, "%s --version", program);
    snprintf(want, sizeof want, "%s " HAWQ_VERSION "\n", program);
    CHECK(run(command) == 0 && !*err_text);
    CHECK(!strncmp(out_text, want, strlen(want)));
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (!CHECK(strstr(out_text, part[i]))) show(command, 0);
}

/* --- bad usage and bad input -------------------------------------------- */

static const struct bad {
    int         code;
    const char *command, *message;
} bad[] = {
    {2, "hawq-analyze",
     "MODEL.onnx is missing; usage: hawq-analyze MODEL.onnx --data SPEC "
     "[options]"},
    {2, "hawq-analyze net.onnx",
     "--data is missing: file.npz, idx:PREFIX or "
     "cifar:FILE.bin,..."},
    {2, "hawq-analyze net.onnx more --data idx:img",
     "unexpected argument 'more'; usage: hawq-analyze MODEL.onnx --data SPEC "
     "[options]"},
    {2, "hawq-analyze net.onnx --dta idx:img",
     "unknown option '--dta'; did you mean '--data'?"},
    {2, "hawq-analyze net.onnx --data idx:img --sam 2",
     "unknown option '--sam'; did you mean '--samples'?"},
    {2, "hawq-analyze net.onnx --nonsense",
     "unknown option '--nonsense'; see hawq-analyze --help"},
    {2, "hawq-analyze net.onnx --data", "--data needs a value: SPEC"},
    {2, "hawq-analyze net.onnx --threads many",
     "--threads: 'many' is not a whole number"},
    {2, "hawq-analyze net.onnx --threads 5000",
     "--threads: 5000 is outside 0 ... 1024"},
    {2, "hawq-analyze net.onnx --format xml",
     "--format: 'xml' is not one of table|tsv|csv|json"},
    {2, "hawq-analyze net.onnx --quiet=yes", "--quiet takes no value"},
    {1, "hawq-analyze missing.onnx --data idx:img",
     "missing.onnx: cannot be read: No such file or directory"},
    {1, "hawq-analyze empty.onnx --data idx:img", "empty.onnx: is empty"},
    {1, "hawq-analyze text.onnx --data idx:img",
     "text.onnx: is not an ONNX model, or is damaged"},
    {1, "hawq-analyze cut.onnx --data idx:img", "cut.onnx: truncated: ..."},
    {1, "hawq-analyze nan.onnx --data idx:img", "nan.onnx: ..."},
    {2, "hawq-analyze net.onnx --data idx:small",
     "idx:small: images have shape 4x4, the model's input expects 1x8x8"},
    {2, "hawq-analyze net.onnx --data idx:labels",
     "idx:labels: label of image ..."},
    {2, "hawq-analyze net.onnx --data idx:few --metric trace --batch-size 32",
     "the data has 5 images, fewer than --batch-size 32; give more images or a "
     "smaller batch"},
    {2, "hawq-analyze fixed.onnx --data idx:few", "idx:few: ..."},
    {2, "hawq-analyze net.onnx --data idx:img --memory 0B",
     "--memory: 0 bytes are too few for any analysis; ..."},
    {2, "hawq-analyze net.onnx --data idx:bare",
     "idx:bare: there are no labels (member y of a .npz file, "
     "PREFIX-labels-idx1-ubyte of idx:PREFIX), which --loss cross-entropy "
     "needs; --loss self-distillation needs none"},
    {2, "hawq-analyze net.onnx --data idx:bare --loss mse",
     "idx:bare: there are neither targets nor labels ..."},
    {1, "hawq-train --from net.onnx --data idx:bare -o new.onnx",
     "idx:bare: neither bare-labels-idx1-ubyte nor bare-labels-idx1-ubyte.gz "
     "is there"},
    {1, "hawq-analyze net.onnx --data idx:none",
     "idx:none: neither none-images-idx3-ubyte nor none-images-idx3-ubyte.gz "
     "is there"},
    {1, "hawq-analyze net.onnx --data idx:img --db no/folder/x.db",
     "no/folder/x.db: cannot be opened as a database: No such file or "
     "directory"},
    {1, "hawq-analyze net.onnx --data idx:img --db text.onnx",
     "text.onnx: is not an SQLite database; choose another file with --db"},
    {2, "hawq-train --data idx:img --dta x",
     "unknown option '--dta'; did you mean '--data'?"},
    {2, "hawq-train --from net.onnx --data idx:few --batch-size 16 -o new.onnx",
     "the data has 5 images, fewer than --batch-size 16; give more images or a "
     "smaller batch"},
    {1, "hawq-train --from net.onnx --data idx:img -o no/folder/new.onnx",
     "no/folder/new.onnx: cannot be written: No such file or directory"},
    {1, "hawq-train --from net.onnx --data idx:none -o no/folder/new.onnx",
     "no/folder/new.onnx: cannot be written: No such file or directory"},
    {2, "hawq-train --from net.onnx --data idx:img --output ./net.onnx",
     "--output ./net.onnx is the network given by --from and would replace it; "
     "choose another name"},
    {2, "hawq-train --from net.onnx --data idx:img -o new.onnx --shift 5",
     "shift 5: expected at most 4, half of an image of 8x8"},
    {2, "hawq-train --from net.onnx --data idx:img -o new.onnx --db x.db",
     "unknown option '--db'; see hawq-train --help"},
    {2, "hawq-analyze net.onnx --data idx:img --db :memory:",
     "--db: results in ':memory:' would be lost at the end; give the name of a "
     "file"},
    {2, "hawq-search net.onnx --budget weight-size=10KiB --budgt bops=1G",
     "unknown option '--budgt'; did you mean '--budget'?"},
    {1, "hawq-search missing.onnx --budget weight-size=10KiB",
     "missing.onnx: ..."},
    {1, "hawq-bench missing.onnx --data idx:img", "missing.onnx: ..."},
    {1, "hawq-bench cut.onnx --data idx:img", "cut.onnx: truncated: ..."},
    {2, "hawq-bench net.onnx --data idx:small",
     "idx:small: images have shape ..."},
    {2, "hawq-bench net.onnx --data idx:labels",
     "idx:labels: label of image ..."},
    {2, "hawq-bench net.onnx --data idx:img --kernels abacus", "..."},
};
enum { BAD = sizeof bad / sizeof *bad };

/* One line "program: message", an empty stdout, the code, no row in the
 * database. A message that ends in "..." is a beginning. */
static void refused(const struct bad *b) {
    char   want[512], program[64];
    size_t length = strcspn(b->command, " ");
    snprintf(program, sizeof program, "%.*s", (int)length, b->command);
    if (!built(program)) return;
    remove_database();
    int code = run(b->command);
    snprintf(want, sizeof want, "%s: %s\n", program, b->message);
    char *dots = strstr(want, "...\n");
    int   ok = CHECK(code == b->code) & CHECK(!*out_text);
    ok &= dots ? CHECK(!strncmp(err_text, want, (size_t)(dots - want)))
               : CHECK(!strcmp(err_text, want));
    size_t end = strcspn(err_text, "\n");
    ok &= CHECK(err_text[end] == '\n' && !err_text[end + 1]);
    ok &= CHECK(no_row());
    if (!ok) show(b->command, code);
}

static void newer_schema(void) {
    static const char *const commands[] = {
        "hawq-analyze net.onnx --data idx:img",
        "hawq-search net.onnx --budget weight-size=0.5x",
        "hawq-bench net.onnx --data idx:img"};
    for (int i = 0; i < 3; i++) {
        char program[64];
        snprintf(program, sizeof program, "%.*s",
                 (int)strcspn(commands[i], " "), commands[i]);
        if (!built(program)) continue;
        remove_database();
        sql_script("PRAGMA application_id = 1212241745;"
                   "PRAGMA user_version = 99");
        int code = run(commands[i]);
        if (!(CHECK(code == 1) &
              CHECK(strstr(err_text, "hawq.db: the database has schema version "
                                     "99, this program knows up to ") != NULL)))
            show(commands[i], code);
    }
}

/* Permissions do not bind the superuser, so he becomes somebody else; who may
 * then not even reach the build folder cannot make this test. */
static void read_only_database(void) {
    static const char *const command = "hawq-analyze net.onnx --data idx:img";
    if (!built("hawq-analyze")) return;
    remove_database();
    CHECK(run("hawq-analyze net.onnx --data idx:img -n 2 --quiet") == 0);
    int64_t runs = sql_number("SELECT count(*) FROM run");
    put_bytes("stdout.txt", "", 0);
    put_bytes("stderr.txt", "", 0);
    CHECK(chmod("hawq.db", 0444) == 0 && chmod(".", 0777) == 0 &&
          chmod("stdout.txt", 0666) == 0 && chmod("stderr.txt", 0666) == 0);
    somebody_else = geteuid() == 0;
    int code = run(command);
    somebody_else = false;
    CHECK(chmod("hawq.db", 0644) == 0 && chmod(".", 0700) == 0);
    if (code == 127) {
        printf("skipped: the build folder is closed to other users\n");
        return;
    }
    if (!(CHECK(code == 1) &
          CHECK(!strcmp(err_text,
                        "hawq-analyze: hawq.db: the database or its folder is "
                        "read-only; make it writable or choose another file "
                        "with --db\n"))))
        show(command, code);
    CHECK(sql_number("SELECT count(*) FROM run") == runs);
}

static void results_that_cannot_be_written(void) {
    char command[4200];
    if (!built("hawq-analyze") || access("/dev/full", W_OK)) return;
    snprintf(command, sizeof command,
             "%s/hawq-analyze --help >/dev/full 2>stderr.txt", programs);
    int status = system(command);
    slurp("stderr.txt", err_text);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    CHECK(!strcmp(err_text, "hawq-analyze: the results cannot be written to "
                            "stdout\n"));
}

static void empty_name(void) {
    char command[4200];
    if (!built("hawq-analyze")) return;
    snprintf(command, sizeof command, "%s/hawq-analyze '' 2>stderr.txt",
             programs);
    int status = system(command);
    slurp("stderr.txt", err_text);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    CHECK(!strcmp(err_text, "hawq-analyze: the name of a file is empty; usage: "
                            "hawq-analyze MODEL.onnx --data SPEC [options]\n"));
}

/* --- the whole way ------------------------------------------------------ */

static int step(const char *command, int want) {
    int code = run(command);
    if (CHECK(code == want)) return 1;
    show(command, code);
    return 0;
}

/* Same options: the same bytes on stdout, but for the number of the run. */
static void same_for_any_threads(const char *command) {
    static char first[TEXT];
    char        text[1024];
    snprintf(text, sizeof text, "%s --threads 1", command);
    remove_database();
    if (!step(text, 0)) return;
    memcpy(first, out_text, sizeof first);
    CHECK(strlen(first) > 100);
    for (int threads = 2; threads <= 5; threads += 3) {
        snprintf(text, sizeof text, "%s --threads %d", command, threads);
        remove_database();
        if (step(text, 0) && !CHECK(!strcmp(first, out_text))) {
            show(text, 0);
            printf("    one thread: %.2000s\n", first);
        }
    }
}

/* A network that goes astray is no failure, but it is said; and no form of
 * failure leaves half a document. */
static void training_is_reported(void) {
    static const char begins[] =
        "{\n  \"output\": \"new.onnx\",\n  \"epochs\": [";
    if (!built("hawq-train")) return;
    if (step("hawq-train --from net.onnx --data idx:img --scale 0.004 -o "
             "new.onnx --epochs 3 --format json",
             0)) {
        CHECK(!strncmp(out_text, begins, sizeof begins - 1));
        CHECK(strstr(out_text, "]\n}\n") && !*err_text);
    }
    if (step("hawq-train --from net.onnx --data idx:img -o new.onnx --format "
             "json --rate 1e6 --warm-up 0 --clip 0",
             1))
        CHECK(strstr(out_text, "]\n}\n") && strstr(err_text, "in epoch 2"));
    if (step("hawq-train --from net.onnx --data idx:img --scale 0.004 -o "
             "new.onnx --epochs 3 --rate 20 --warm-up 0",
             0))
        CHECK(!strncmp(err_text, "hawq-train: note: the loss ended at ", 36) &&
              strstr(err_text, "it began with; lower --rate 20\n"));
}

/* What each node is worth, and then whether the whole loads. */
static void operators_are_listed(void) {
    if (!built("hawq-analyze")) return;
    if (step("hawq-analyze --list-ops net.onnx --format json", 0)) {
        CHECK(strstr(out_text, "\"runs\": true,") != NULL);
        CHECK(strstr(err_text, " nodes would run; the model loads\n") != NULL);
    }
    if (step("hawq-analyze --list-ops nan.onnx --quiet", 1)) {
        CHECK(strstr(out_text, "yes") != NULL);
        CHECK(!strncmp(err_text, "hawq-analyze: nan.onnx: ", 24));
    }
}

/* What a network says by itself needs no labels; how often it is right does. */
static void labels_are_optional(void) {
    static char with[TEXT];
    const char *metric = "sensitivity\": {";
    if (!built("hawq-analyze")) return;
    remove_database();
    if (!step("hawq-analyze net.onnx --data idx:img --scale 0.004 -n 4 --loss "
              "self-distillation --format json",
              0))
        return;
    CHECK(!strstr(out_text, "\"accuracy\": null"));
    memcpy(with, out_text, sizeof with);
    if (!step("hawq-analyze net.onnx --data idx:bare --scale 0.004 -n 4 --loss "
              "self-distillation --format json",
              0))
        return;
    CHECK(strstr(out_text, "\"accuracy\": null") != NULL);
    char *a = strstr(with, metric), *b = strstr(out_text, metric);
    CHECK(a && b && strcmp(a, b) == 0);
    if (step("hawq-analyze net.onnx --data idx:bare --scale 0.004 -m depth "
             "--loss self-distillation",
             0))
        CHECK(!strstr(out_text, "accuracy"));
}

static void whole_way(void) {
    if (!built("hawq-analyze") || !built("hawq-search") || !built("hawq-bench"))
        return;
    remove_database();
    step("hawq-search net.onnx --budget weight-size=0.6x", 1);
    CHECK(no_row());
    if (!step(
            "hawq-analyze net.onnx --data idx:img --scale 0.004 -n 4 --images "
            "64 --bits 8,4,2 --format json",
            0))
        return;
    CHECK(out_text[0] == '{' && strstr(out_text, "\"trace_stderr\": "));
    CHECK(sql_number("SELECT count(DISTINCT name) FROM layer_sensitivity") ==
          4);
    CHECK(sql_number("SELECT count(*) FROM run WHERE sampling LIKE '%trace by "
                     "random signs%' AND sampling NOT LIKE '%gauss-newton%'") ==
          1);
    step("hawq-search net.onnx --budget weight-size=1000", 2);
    CHECK(!strcmp(err_text,
                  "hawq-search: --budget weight-size: the number 1000 needs a "
                  "unit: B, KiB, MiB, GiB, KB, MB, GB, x (times the uniform "
                  "8-bit network)\n"));
    step("hawq-search net.onnx --budget weight-size=1B", 3);
    CHECK(strstr(err_text, "weight-size") != NULL &&
          strchr(err_text, '\n') == strrchr(err_text, '\n'));
    CHECK(sql_number("SELECT count(*) FROM run WHERE program = 'hawq-search'"
                     " AND state = 'running'") == 0);
    step("hawq-search net.onnx --budget weight-size=0.6x --format json", 0);
    CHECK(strstr(out_text, "\"state\": \"optimal\"") != NULL);
    CHECK(sql_number("SELECT count(*) FROM allocation_layers") == 4);
    step("hawq-search net.onnx --metric trace --pareto weight-size --format "
         "json",
         0);
    CHECK(strstr(out_text, "\"front\": [") != NULL);
    CHECK(sql_number("SELECT count(*) FROM pareto_front") > 2);
    step("hawq-bench net.onnx --allocation last --data idx:img --scale 0.004 "
         "--repeats 3 --format json",
         0);
    CHECK(strstr(out_text, "\"bit_exact\": true") != NULL);
    CHECK(sql_number("SELECT bit_exact FROM benchmark_summary") == 1);
    CHECK(sql_number("SELECT count(*) FROM latency_table") >= 4);
    CHECK(strstr(out_text, "\"predicted_latency_us\": null") != NULL);
    step("hawq-bench net.onnx --allocation last --data idx:img --scale 0.004 "
         "--repeats 3 --format json",
         0); /* what the first run measured predicts the second */
    CHECK(strstr(out_text, "\"predicted_latency_us\": ") &&
          !strstr(out_text, "\"predicted_latency_us\": null") &&
          strstr(out_text, "\"latency_error_percent\": "));
    CHECK(sql_number("SELECT totals FROM latency_constant") == 1);
    CHECK(sql_number("SELECT count(*) FROM run WHERE state = 'running'") == 0);
}

/* --- the option table, row by row --------------------------------------- */

static struct {
    bool          fast;
    int           n, range;
    uint64_t      key;
    double        rate;
    const char   *file;
    hawq_texts    pins;
    hawq_ints     bits;
    hawq_reals    mean;
    hawq_quantity size;
} o;

static const hawq_option rows[] = {
    HAWQ_OPTION_FLAG("fast", 'f', &o.fast, "a flag"),
    HAWQ_OPTION_INT("count", 'n', &o.n, -2, 9, "N", "a number"),
    HAWQ_OPTION_SEED("key", 0, &o.key, "N", "a key"),
    HAWQ_OPTION_REAL("rate", 0, &o.rate, 0, 1, "R", "a rate"),
    HAWQ_OPTION_TEXT("file", 0, &o.file, "FILE", "a text"),
    HAWQ_OPTION_TEXTS("pin", 0, &o.pins, "LAYER=BITS", "texts"),
    HAWQ_OPTION_INTS("bits", 0, &o.bits, 1, 8, "LIST", "numbers"),
    HAWQ_OPTION_REALS("mean", 0, &o.mean, "LIST", "numbers"),
    HAWQ_OPTION_CHOICE("range", 0, &o.range, "max|mse|percentile",
                       "a name that stands for what it says, and a help that "
                       "needs more than one line"),
    HAWQ_OPTION_QUANTITY("size", 0, &o.size,
                         HAWQ_UNIT_BYTES | HAWQ_UNIT_MULTIPLE, "SIZE",
                         "a size"),
    {0}};

static hawq_status print_values(hawq_cli *cli) {
    printf("%d %d %llu %g %s %d", o.fast, o.n, (unsigned long long)o.key,
           o.rate, o.file ? o.file : "-", o.range);
    for (int i = 0; i < o.pins.n; i++) printf(" %s", o.pins.item[i]);
    for (int i = 0; i < o.bits.n; i++) printf(" %d", o.bits.item[i]);
    for (int i = 0; i < o.mean.n; i++) printf(" %g", o.mean.item[i]);
    printf(" %g/%u", o.size.value, o.size.unit);
    for (int i = 0; i < cli->n_args; i++) printf(" [%s]", cli->arg[i]);
    printf("\n%s\n", cli->line);
    if (o.fast && o.n == 3)
        return hawq_cli_infeasible(cli, "the least is %d", 4);
    return HAWQ_OK;
}

static const hawq_command probe = {.name = "probe",
                                   .summary = "Probes.",
                                   .usage = "[FILE...]",
                                   .options = {rows},
                                   .max_args = -1,
                                   .run = print_values};

/* The probe's main in a child; fills out_text and err_text. */
static int run_probe(const char *text) {
    char command[1024], *argv[MOST_ARGS];
    int  status;
    snprintf(command, sizeof command, "probe %s", text);
    int n = cut(command, argv);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        redirect("stdout.txt", STDOUT_FILENO);
        redirect("stderr.txt", STDERR_FILENO);
        int code = hawq_cli_main(&probe, n, argv);
        fflush(stdout);
        _exit(code);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    slurp("stdout.txt", out_text);
    slurp("stderr.txt", err_text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void probe_says(const char *args, int want, const char *out,
                       const char *err) {
    int code = run_probe(args);
    if (!(CHECK(code == want) & CHECK(!strcmp(out_text, out)) &
          CHECK(!strcmp(err_text, err))))
        show(args, code);
}

static void options_are_read(void) {
    probe_says("", 0, "0 0 0 0 - 0 0/0\nprobe\n", "");
    probe_says("-f --count=-2 --key 18446744073709551615 --rate 1 --file=a=b "
               "--pin x=1 --pin y=2 --bits 2,4,8 --mean -0.5,1e-3 --range "
               "percentile --size 1.5KiB a -- --b",
               0,
               "1 -2 18446744073709551615 1 a=b 2 x=1 y=2 2 4 8 -0.5 0.001 "
               "1536/1 [a] [--b]\n"
               "probe -f --count=-2 --key 18446744073709551615 --rate 1 "
               "--file=a=b --pin x=1 --pin y=2 --bits 2,4,8 --mean -0.5,1e-3 "
               "--range percentile --size 1.5KiB a -- --b\n",
               "");
    probe_says("--size 0.5x $a", 0,
               "0 0 0 0 - 0 0.5/8 [$a]\nprobe --size 0.5x "
               "'$a'\n",
               "");
    probe_says("it's 'a", 0,
               "0 0 0 0 - 0 0/0 [it's] ['a]\nprobe 'it'\\''s' ''\\''a'\n", "");
    probe_says("-n7 -f -t2", 0, "1 7 0 0 - 0 0/0\nprobe -n7 -f -t2\n", "");
    probe_says("--fast --count 3", 3,
               "1 3 0 0 - 0 0/0\nprobe --fast --count 3\n",
               "probe: the least is 4\n");
}

static void options_are_refused(void) {
    probe_says("--size 100", 2, "",
               "probe: --size: the number 100 needs a unit: B, KiB, MiB, GiB, "
               "KB, MB, GB, x (times the uniform 8-bit network)\n");
    probe_says("--size 1ms", 2, "",
               "probe: --size: unknown unit 'ms'; use B, KiB, MiB, GiB, KB, "
               "MB, GB, x (times the uniform 8-bit network)\n");
    probe_says("--size -1B", 2, "",
               "probe: --size: '-1B' is not a number >= 0 with a unit: B, KiB, "
               "MiB, GiB, KB, MB, GB, x (times the uniform 8-bit network)\n");
    probe_says("--count 10", 2, "", "probe: --count: 10 is outside -2 ... 9\n");
    probe_says("--count 1x", 2, "",
               "probe: --count: '1x' is not a whole number\n");
    probe_says("--rate nan", 2, "", "probe: --rate: 'nan' is not a number\n");
    probe_says("--rate 1e999", 2, "",
               "probe: --rate: '1e999' is not a number\n");
    probe_says("--key -1", 2, "",
               "probe: --key: '-1' is not a whole number in 0 ... 2^64-1\n");
    probe_says("--bits 2,9", 2, "", "probe: --bits: 9 is outside 1 ... 8\n");
    probe_says("--bits 2,,4", 2, "",
               "probe: --bits: '' is not a whole number\n");
    probe_says("--file=", 2, "", "probe: --file: the value is empty\n");
    probe_says("--range mxa", 2, "",
               "probe: --range: 'mxa' is not one of max|mse|percentile\n");
    probe_says("--cuont 3", 2, "",
               "probe: unknown option '--cuont'; did you mean '--count'?\n");
    probe_says("-z", 2, "", "probe: unknown option '-z'; see probe --help\n");
    probe_says("-f1", 2, "", "probe: unknown option '-f1'; see probe --help\n");
    probe_says("-n2x", 2, "", "probe: --count: '2x' is not a whole number\n");
    probe_says("--cou 1", 2, "",
               "probe: unknown option '--cou'; did you mean '--count'?\n");
    probe_says("--count --fast", 2, "", "probe: --count needs a value: N\n");
}

static void help_is_the_table(void) {
    probe_says("--help", 0,
               "usage: probe [FILE...]\n"
               "\n"
               "Probes.\n"
               "\n"
               "  -f, --fast                    a flag\n"
               "  -n, --count N                 a number\n"
               "      --key N                   a key\n"
               "      --rate R                  a rate\n"
               "      --file FILE               a text\n"
               "      --pin LAYER=BITS          texts (repeatable)\n"
               "      --bits LIST               numbers\n"
               "      --mean LIST               numbers\n"
               "      --range max|mse|percentile\n"
               "                                a name that stands for what it "
               "says, and a help\n"
               "                                that needs more than one line\n"
               "      --size SIZE               a size\n"
               "      --db FILE                 results database (default "
               "hawq.db)\n"
               "  -t, --threads N               worker threads (default 0: one "
               "per processor)\n"
               "      --seed N                  seed of all random numbers "
               "(default 0)\n"
               "      --format table|tsv|csv|json\n"
               "                                form of the results on stdout "
               "(default table)\n"
               "  -q, --quiet                   no progress and no notes on "
               "stderr\n"
               "  -v, --verbose                 the memory used, on stderr; "
               "hawq-analyze: also\n"
               "                                the memory it will take, "
               "before it starts\n"
               "      --version                 print the version and exit\n"
               "  -h, --help                    print this help and exit\n"
               "\n"
               "Exit status: 0 done, 1 failed, 2 wrong usage, 3 "
               "infeasible.\n",
               "");
}

static void remove_folder(void) {
    DIR *dir = opendir(".");
    if (!dir) return;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') unlink(e->d_name);
    closedir(dir);
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
}

int main(void) {
    static const char *const names[] = {"hawq-analyze", "hawq-search",
                                        "hawq-bench", "hawq-train"};
    programs = getenv("HAWQ_BUILD");
    if (!programs || !mkdtemp(folder) || chdir(folder)) return 1;
    put_fixtures();
    options_are_read();
    options_are_refused();
    help_is_the_table();
    for (int i = 0; i < 4; i++) help_and_version(names[i]);
    for (int i = 0; i < BAD; i++) refused(&bad[i]);
    newer_schema();
    read_only_database();
    results_that_cannot_be_written();
    empty_name();
    if (built("hawq-analyze"))
        same_for_any_threads("hawq-analyze net.onnx --data idx:img --scale "
                             "0.004 -n 6 --images 64 --format tsv");
    operators_are_listed();
    training_is_reported();
    whole_way();
    labels_are_optional();
    remove_folder();
    DONE();
}
