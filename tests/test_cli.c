/* test_cli.c -- the programs from outside: what they print, where, and how
 * they end.
 *
 * Claims: help and version go to stdout and end with 0; bad usage and bad input
 * end with one sentence on stderr, nothing on stdout, the promised exit code,
 * and no row in the database.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/commanding.h"

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

int main(void) {
    static const char *const names[] = {"hawq-analyze", "hawq-search",
                                        "hawq-bench", "hawq-train"};
    if (!open_folder()) return 1;
    for (int i = 0; i < 4; i++) help_and_version(names[i]);
    for (int i = 0; i < BAD; i++) refused(&bad[i]);
    newer_schema();
    read_only_database();
    results_that_cannot_be_written();
    empty_name();
    remove_folder();
    DONE();
}
