/* test_store_faults.c -- the database under every fault.
 *
 * Claims: a killed or refused writer leaves a database that is whole; two
 * writers on one file both succeed; every refusal is one sentence with the
 * file's path; a file of the first version is brought to the present one; rows
 * that another program changed are said and not believed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/storing.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- processes ---------------------------------------------------------- */

/* Runs `body` in a child and returns its exit code, or -1. */
static int in_child(int (*body)(void)) {
    int   status;
    pid_t child = fork();
    if (child == 0) _exit(body());
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

enum { BATCHES = 40 };

static int write_batches(void) {
    hawq_store *store;
    int64_t     run;
    if (hawq_store_open(path, HAWQ_STORE_WRITE, &store) != HAWQ_OK) return 1;
    if (hawq_store_begin_run(store, &run_record, &run) != HAWQ_OK) return 2;
    if (hawq_store_put_layers(store, run, LAYERS, layers) != HAWQ_OK) return 3;
    for (int s = 0; s < BATCHES; s++)
        if (put_sample(store, run, s) != HAWQ_OK) return 4;
    if (hawq_store_finish_run(store, run) != HAWQ_OK) return 5;
    hawq_store_close(store);
    return 0;
}

/* Both create the file at the same moment, and both write all the time. */
static void two_writers_both_succeed(void) {
    enum { WRITERS = 2 };
    pid_t child[WRITERS];
    fresh("two");
    for (int i = 0; i < WRITERS; i++)
        if ((child[i] = fork()) == 0) _exit(write_batches());
    for (int i = 0; i < WRITERS; i++) {
        int status = -1;
        CHECK(waitpid(child[i], &status, 0) == child[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    check_sql("SELECT count(*) FROM sample GROUP BY run_id", "120;120;");
    check_sql("PRAGMA integrity_check", "ok;");
}

/* Killed at any moment: every sample that was reported done is there, the next
 * may be, none is half there, and the run can be found and continued. */
static void kill_loses_at_most_one_sample(void) {
    enum { SEEN = 25 };
    int     pipes[2], seen = 0, n;
    char    done;
    int64_t run;
    fresh("kill");
    if (!CHECK(pipe(pipes) == 0)) return;
    pid_t child = fork();
    if (child == 0) {
        hawq_store *store;
        if (hawq_store_open(path, HAWQ_STORE_WRITE, &store) != HAWQ_OK ||
            hawq_store_begin_run(store, &run_record, &run) != HAWQ_OK ||
            hawq_store_put_layers(store, run, LAYERS, layers) != HAWQ_OK)
            _exit(1);
        for (int s = 0; put_sample(store, run, s) == HAWQ_OK; s++)
            if (write(pipes[1], "", 1) != 1) _exit(2);
        _exit(3);
    }
    close(pipes[1]);
    while (seen < SEEN && read(pipes[0], &done, 1) == 1) seen++;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(pipes[0], &done, 1) == 1) seen++;
    close(pipes[0]);
    CHECK(seen >= SEEN);
    check_sql("PRAGMA integrity_check", "ok;");
    hawq_store         *store;
    hawq_arena          arena = {0};
    hawq_sample_record *row;
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(hawq_store_find_unfinished(store, &run_record, &run));
    CHECK(run == 1);
    CHECK_OK(hawq_store_load_samples(store, run, "trace", &arena, &n, &row));
    CHECK(n == seen * LAYERS || n == (seen + 1) * LAYERS);
    for (int i = 0; i < n; i++)
        CHECK(row[i].sample == i / LAYERS && row[i].layer == i % LAYERS);
    CHECK_OK(put_sample(store, run, n / LAYERS - 1)); /* redoing is harmless */
    CHECK_OK(hawq_store_finish_run(store, run));
    hawq_run_record other = run_record;
    CHECK_OK(hawq_store_find_unfinished(store, &run_record, &run));
    CHECK(run == 0);
    CHECK_OK(hawq_store_begin_run(store, &other, &run));
    other.seed--;
    CHECK_OK(hawq_store_find_unfinished(store, &other, &run));
    CHECK(run == 0);
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

/* --- refusals ----------------------------------------------------------- */

static void put_file(const char *text) {
    FILE *f = fopen(path, "wb");
    if (!CHECK(f != NULL)) return;
    fputs(text, f);
    fclose(f);
}

static void not_ours(void) {
    hawq_store *store = NULL;
    fresh("text");
    put_file("this is a plain text of more than a hundred bytes, so that the "
             "header of a database would have been read from it completely");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_WRITE, &store), HAWQ_EFORMAT,
                "text.db: is not an SQLite database");
    fresh("other");
    script("CREATE TABLE t (x)");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_WRITE, &store), HAWQ_EFORMAT,
                "other.db: is the database of another program");
    fresh("newer");
    CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store));
    hawq_store_close(store);
    script("PRAGMA user_version = 99");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_WRITE, &store), HAWQ_ESTATE,
                "newer.db: the database has schema version 99");
    fresh("missing");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_READ, &store), HAWQ_EIO,
                "missing.db: cannot be opened");
    fresh("no/such/folder");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_WRITE, &store), HAWQ_EIO,
                "No such file or directory");
    CHECK_FAILS(hawq_store_open(folder, HAWQ_STORE_WRITE, &store), HAWQ_EIO,
                "cannot be opened as a database");
    fresh("empty"); /* an empty file is an empty database */
    put_file("");
    CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store));
    hawq_store_close(store);
}

/* A database of the first version is brought to the present one by a program
 * that writes, and keeps its rows; one that reads says so. */
static void first_version_migrates(void) {
    static char text[1 << 16];
    char        name[4096];
    hawq_store *store = NULL;
    const char *source = getenv("HAWQ_SOURCE");
    snprintf(name, sizeof name, "%s/results/schema.sql", source ? source : ".");
    FILE *f = fopen(name, "rb");
    if (!CHECK(f != NULL)) return;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    fresh("first");
    script(text);
    script("PRAGMA application_id = 1212241745; PRAGMA user_version = 1;"
           "INSERT INTO run (program, version, command, model_path, model_hash,"
           " data, loss, seed, sampling, weight_range, threads, host, provider)"
           " VALUES ('p', '', '', 'old.onnx', '', '', '', 0, '', '', 1, '',"
           " '')");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_READ, &store), HAWQ_ESTATE,
                "first.db: the database has schema version 1 of ");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    hawq_store_close(store);
    check_sql("SELECT model_path FROM run", "old.onnx;");
    check_sql("SELECT count(*) FROM activation_sensitivity", "0;");
    CHECK_OK(hawq_store_open(path, HAWQ_STORE_READ, &store));
    hawq_store_close(store);
}

static void locked(void) {
    hawq_store *store;
    hawq_arena  arena = {0};
    hawq_sql   *db;
    int64_t     run;
    fresh("locked");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(hawq_sql_open(path, true, &arena, &db));
    CHECK_OK(hawq_sql_begin(db));
    hawq_store_patience(store, 50);
    CHECK_FAILS(hawq_store_begin_run(store, &run_record, &run), HAWQ_ESTATE,
                "locked.db: another program has kept the database locked");
    CHECK_OK(hawq_sql_end(db, HAWQ_OK));
    CHECK_OK(hawq_store_begin_run(store, &run_record, &run));
    hawq_sql_close(db);
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

/* Permissions do not bind the superuser: become somebody else. */
static int open_as_somebody(void) {
    hawq_store *store;
    if (geteuid() == 0 && (setgid(65534) || setuid(65534))) return 9;
    hawq_status status = hawq_store_open(path, HAWQ_STORE_WRITE, &store);
    if (status == HAWQ_OK) return 0;
    bool sentence =
        strstr(hawq_message(), path) && strstr(hawq_message(), "read-only");
    if (!sentence) printf("    message: %s\n", hawq_message());
    fflush(stdout);
    return status == HAWQ_ESTATE && sentence ? 1 : 2;
}

static void read_only(void) {
    hawq_store *store;
    fresh("readonly");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    hawq_store_close(store);
    CHECK(chmod(folder, 0777) == 0 && chmod(path, 0444) == 0);
    CHECK(in_child(open_as_somebody) == 1);
    CHECK(chmod(folder, 0555) == 0 && chmod(path, 0666) == 0);
    CHECK(in_child(open_as_somebody) == 1);
    CHECK(chmod(folder, 0700) == 0);
}

/* A limit on the size of files stands for the full disk. */
static int write_until_full(void) {
    struct rlimit limit = {256 * 1024, 256 * 1024};
    hawq_store   *store;
    int64_t       run;
    hawq_status   status;
    if (hawq_store_open(path, HAWQ_STORE_WRITE, &store) != HAWQ_OK ||
        hawq_store_begin_run(store, &run_record, &run) != HAWQ_OK ||
        hawq_store_put_layers(store, run, LAYERS, layers) != HAWQ_OK)
        return 1;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int s = 0; (status = put_sample(store, run, s)) == HAWQ_OK;) s++;
    if (status != HAWQ_EIO || !strstr(hawq_message(), path)) return 2;
    return 0; /* as if it ended here, the store open */
}

static void full_disk(void) {
    fresh("full");
    CHECK(in_child(write_until_full) == 0);
    check_sql("PRAGMA integrity_check", "ok;");
    check_sql("SELECT count(*) % 3 FROM sample", "0;");
}

/* --- rows that another program changed ----------------------------------- */

static hawq_status load_each(hawq_store *store, int64_t run, int64_t id,
                             hawq_arena *arena) {
    int                      n;
    hawq_allocation_record   a;
    hawq_layer_record       *l;
    hawq_latency_key         key = {run_record.model_hash, run_record.host,
                                    benchmark.kernels, benchmark.threads,
                                    benchmark.batch_size};
    hawq_sensitivity_record *v;
    hawq_activation_record  *t;
    hawq_interaction_record *x;
    hawq_estimate           *e;
    hawq_sample_record      *s;
    hawq_layer_timing       *time;
    hawq_total_timing       *total;
    HAWQ_TRY(hawq_store_load_layers(store, run, arena, &n, &l));
    HAWQ_TRY(hawq_store_load_samples(store, run, "trace", arena, &n, &s));
    HAWQ_TRY(hawq_store_load_estimates(store, run, "trace", arena, &n, &e));
    HAWQ_TRY(hawq_store_load_sensitivity(store, run, NULL, arena, &n, &v));
    HAWQ_TRY(hawq_store_load_interactions(store, run, arena, &n, &x));
    HAWQ_TRY(hawq_store_load_activations(store, run, arena, &n, &t));
    HAWQ_TRY(hawq_store_load_allocation(store, id, arena, &a));
    HAWQ_TRY(hawq_store_load_timings(store, &key, arena, &n, &time));
    return hawq_store_load_totals(store, &key, arena, &n, &total);
}

/* Whatever is deleted or edited in one of the tables is said, by whoever reads
 * it; nothing is indexed or summed with. */
static void edited_rows_are_said(void) {
    static const struct {
        const char *edit, *says;
    } edits[] = {
        {"SELECT 1", NULL},
        {"DELETE FROM layer WHERE layer = 1", "a layer is missing"},
        {"DELETE FROM layer", "layer 0 is missing"},
        {"UPDATE layer SET layer = layer + 7", "layer 0 is missing"},
        {"UPDATE layer SET params = -1", "a size of layer 0 is negative"},
        {"UPDATE sample SET layer = 99 WHERE layer = 2", "layer 99 is missing"},
        {"DELETE FROM sample WHERE layer = 1 AND sample = 0",
         "a sample of layer 1 is missing"},
        {"UPDATE sample SET value = 9e999 WHERE layer = 1",
         "a sample of layer 1 is inf"},
        {"DELETE FROM estimate WHERE layer = 0",
         "the estimate of layer 0 is missing"},
        {"DELETE FROM estimate WHERE layer = 2", "an estimate is missing"},
        {"UPDATE estimate SET mean = -9e999 WHERE layer = 1",
         "a mean of layer 1 is -inf"},
        {"UPDATE estimate SET n_samples = 99999999999", "number of samples is"},
        {"DELETE FROM sensitivity WHERE layer = 1 AND bits = 4",
         "a layer's sensitivity is missing"},
        {"UPDATE sensitivity SET layer = -1 WHERE layer = 0",
         "layer -1 is missing"},
        {"UPDATE sensitivity SET bits = 4294967300 WHERE bits = 4",
         "a width is 4294967300, not in 1 ... 32"},
        {"UPDATE sensitivity SET value = 9e999 WHERE layer = 2",
         "a sensitivity of layer 2 is inf"},
        {"UPDATE interaction SET layer_j = 3000000000", "is missing"},
        {"UPDATE interaction SET value = 9e999", "an interaction of layer"},
        {"DELETE FROM activation_reader", "the readers of a tensor"},
        {"UPDATE activation_reader SET layer = 5 WHERE layer = 0",
         "layer 5 is missing"},
        {"UPDATE activation_rise SET value = 9e999", "a rise is inf"},
        {"DELETE FROM activation WHERE activation = 0", "tensor 0 is missing"},
        {"UPDATE allocation_layer SET weight_bits = 0", "a width is 0"},
        {"DELETE FROM allocation_layer WHERE layer = 1",
         "layer 1 of an allocation is missing"},
        {"UPDATE benchmark_layer SET latency_us = 9e999",
         "the time of a layer is inf"},
        {"UPDATE benchmark SET latency_us = 9e999",
         "the time of a network is inf"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        hawq_store *store;
        hawq_arena  arena = {0};
        int64_t     run, id;
        char        text[256];
        fresh("edited");
        if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
        CHECK_OK(put_all(store, &run, &id));
        hawq_store_close(store);
        snprintf(text, sizeof text, "PRAGMA foreign_keys = 0; %s",
                 edits[i].edit);
        script(text);
        if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_READ, &store))) return;
        if (!edits[i].says)
            CHECK_OK(load_each(store, run, id, &arena));
        else if (!CHECK(load_each(store, run, id, &arena) == HAWQ_EFORMAT &&
                        strstr(hawq_message(), edits[i].says)))
            printf("    %s: %s\n", edits[i].edit, hawq_message());
        hawq_store_close(store);
        hawq_arena_free(&arena);
    }
}

/* --- memory ------------------------------------------------------------- */

static hawq_status load_everything(hawq_arena *arena) {
    hawq_store              *store;
    hawq_run_record          r;
    hawq_layer_record       *l;
    hawq_sample_record      *s;
    hawq_sensitivity_record *v;
    hawq_activation_record  *t;
    hawq_allocation_record   a;
    int                      n;
    int64_t                  run, id;
    HAWQ_TRY(hawq_store_open(path, HAWQ_STORE_WRITE, &store));
    hawq_status status = put_all(store, &run, &id);
    if (status == HAWQ_OK) status = hawq_store_load_run(store, run, arena, &r);
    if (status == HAWQ_OK)
        status = hawq_store_load_layers(store, run, arena, &n, &l);
    if (status == HAWQ_OK) /* enough to need more than one block */
        for (int i = 0; i < 400 && status == HAWQ_OK; i++)
            status = hawq_store_load_samples(store, run, NULL, arena, &n, &s);
    if (status == HAWQ_OK)
        status = hawq_store_load_sensitivity(store, run, NULL, arena, &n, &v);
    if (status == HAWQ_OK)
        status = hawq_store_load_activations(store, run, arena, &n, &t);
    if (status == HAWQ_OK)
        status = hawq_store_load_allocation(store, id, arena, &a);
    hawq_store_close(store);
    return status;
}

/* Whichever request fails: a sentence, no leak (the sanitizer looks), and a
 * database that still works. */
static void every_failed_request_is_said(void) {
    hawq_status status = HAWQ_ENOMEM;
    fresh("memory");
    int k = 0;
    while (status != HAWQ_OK && k < 100) {
        hawq_arena arena = {0};
        hawq_fail(HAWQ_OK, "%s", "");
        hawq_arena_fail_at(++k);
        status = load_everything(&arena);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_OK || (status == HAWQ_ENOMEM &&
                                    strstr(hawq_message(), "out of memory")));
        hawq_arena_free(&arena);
    }
    CHECK(status == HAWQ_OK && k > 3);
    check_sql("PRAGMA integrity_check", "ok;");
}

int main(void) {
    if (!mkdtemp(folder)) return 1;
    two_writers_both_succeed();
    kill_loses_at_most_one_sample();
    not_ours();
    first_version_migrates();
    locked();
    read_only();
    full_disk();
    edited_rows_are_said();
    every_failed_request_is_said();
    remove_folder();
    DONE();
}
