/* test_output.c -- what programs print: numbers, tables, JSON, progress, units.
 *
 * Claims: a number read back is the same double; the four forms of a table
 * hold the same cells; JSON nests and escapes; progress draws on a terminal
 * only, seldom, and leaves no trace; a unit means what it says.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/cli/kit/interrupt.h"
#include "src/cli/kit/output.h"
#include "src/cli/kit/progress.h"
#include "src/cli/kit/units.h"
#include "tests/check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char  *text;
static size_t length;

static FILE *start(void) {
    FILE *f = open_memstream(&text, &length);
    if (!f) exit(1);
    return f;
}

static void says(FILE *f, const char *want) {
    fclose(f);
    if (!CHECK(!strcmp(text, want)))
        printf("    got:\n%s    want:\n%s", text, want);
    free(text);
}

static void numbers_read_back(void) {
    char number[32];
    CHECK(!strcmp(hawq_number_text(0.1, number), "0.1"));
    CHECK(!strcmp(hawq_number_text(1e300, number), "1e+300"));
    CHECK(!strcmp(hawq_number_text(1.0 / 3, number), "0.3333333333333333"));
    CHECK(!strcmp(hawq_number_text(NAN, number), "null"));
    CHECK(!strcmp(hawq_number_text(-HUGE_VAL, number), "null"));
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t bits = hawq_rng_bits(5, i);
        double   value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        if (!CHECK(strtod(hawq_number_text(value, number), NULL) == value))
            return;
    }
}

static void fill(hawq_table *t, hawq_arena *arena) {
    static const char *const columns[] = {"layer", "params", "trace", "ms"};
    hawq_table_begin(t, arena, 4, columns);
    hawq_table_text(t, "c\xc3\xb6nv");
    hawq_table_integer(t, 12345678901234);
    hawq_table_real(t, 2.0 / 3, 3);
    hawq_table_fixed(t, 1.25, 1);
    hawq_table_text(t, "a\tb\"");
    hawq_table_integer(t, -1);
    hawq_table_real(t, NAN, 3);
    hawq_table_text(t, NULL);
}

static void four_forms_of_a_table(void) {
    static const char *const want[] = {
        "layer          params  trace   ms\n"
        "c\xc3\xb6nv   12345678901234  0.667  1.2\n"
        "a\\tb\"              -1      -  -\n",
        "layer\tparams\ttrace\tms\n"
        "c\xc3\xb6nv\t12345678901234\t0.6666666666666666\t1.25\n"
        "a\\tb\"\t-1\t\t\n",
        "layer,params,trace,ms\r\n"
        "c\xc3\xb6nv,12345678901234,0.6666666666666666,1.25\r\n"
        "\"a\\tb\"\"\",-1,,\r\n",
        "[\n"
        "  {\n"
        "    \"layer\": \"c\xc3\xb6nv\",\n"
        "    \"params\": 12345678901234,\n"
        "    \"trace\": 0.6666666666666666,\n"
        "    \"ms\": 1.25\n"
        "  },\n"
        "  {\n"
        "    \"layer\": \"a\\u0009b\\\"\",\n"
        "    \"params\": -1,\n"
        "    \"trace\": null,\n"
        "    \"ms\": null\n"
        "  }\n"
        "]\n"};
    hawq_arena arena = {0};
    hawq_table t;
    fill(&t, &arena);
    for (int format = HAWQ_FORMAT_TABLE; format <= HAWQ_FORMAT_JSON; format++) {
        FILE *f = start();
        CHECK_OK(hawq_table_print(&t, format, f));
        says(f, want[format]);
    }
    hawq_arena_free(&arena);
}

/* "aaa...": a text of n letters. */
static const char *letters(char letter, int n) {
    static char text[4][128];
    static int  next;
    char       *at = text[next++ % 4];
    memset(at, letter, (size_t)n);
    at[n] = '\0';
    return at;
}

/* Columns that reach beyond the width follow below, behind the name of the row;
 * one that is too wide alone stands alone. */
static void a_wide_table_folds(void) {
    const char *columns[] = {"row", letters('a', 50),  letters('b', 43),
                             "n",   letters('d', 110), "end"};
    hawq_arena  arena = {0};
    hawq_table  t;
    FILE       *f = start();
    char        want[2048];
    hawq_table_begin(&t, &arena, 6, columns);
    for (int row = 1; row <= 2; row++) {
        hawq_table_integer(&t, row);
        for (int j = 1; j < 5; j++) hawq_table_text(&t, "x");
        hawq_table_integer(&t, 10 * row);
    }
    CHECK(3 + 2 + 50 + 2 + 43 == HAWQ_TABLE_WIDTH);
    snprintf(want, sizeof want,
             "row  %s  %s\n"
             "  1  x%49s  x\n"
             "  2  x%49s  x\n"
             "\n"
             "row  n\n"
             "  1  x\n"
             "  2  x\n"
             "\n"
             "row  %s\n"
             "  1  x\n"
             "  2  x\n"
             "\n"
             "row  end\n"
             "  1   10\n"
             "  2   20\n",
             columns[1], columns[2], "", "", columns[4]);
    CHECK_OK(hawq_table_print(&t, HAWQ_FORMAT_TABLE, f));
    says(f, want);
    hawq_arena_free(&arena);
}

/* RFC 4180: what divides cells or lines is quoted, and so are quotes. */
static void csv_quotes_what_would_divide(void) {
    static const char *const columns[] = {"a,b", "c"};
    hawq_arena               arena = {0};
    hawq_table               t;
    FILE                    *f = start();
    hawq_table_begin(&t, &arena, 2, columns);
    hawq_table_text(&t, "one, two");
    hawq_table_text(&t, "x\r\ny");
    hawq_table_text(&t, "");
    hawq_table_text(&t, " plain ");
    CHECK_OK(hawq_table_print(&t, HAWQ_FORMAT_CSV, f));
    says(f, "\"a,b\",c\r\n\"one, two\",x\\r\\ny\r\n, plain \r\n");
    hawq_arena_free(&arena);
}

static void a_table_without_memory_says_so(void) {
    hawq_arena arena = {0};
    hawq_table t;
    hawq_arena_fail_at(1);
    fill(&t, &arena);
    hawq_arena_fail_at(0);
    FILE *f = start();
    CHECK(hawq_table_print(&t, HAWQ_FORMAT_TSV, f) == HAWQ_ENOMEM);
    says(f, "");
    hawq_arena_free(&arena);
}

static void json_nests(void) {
    static const int bits[] = {8, 4};
    FILE            *f = start();
    hawq_json        w = {.file = f};
    hawq_json_object(&w, NULL);
    hawq_json_text(&w, "na\"me", "back\\slash\n\x01");
    hawq_json_flag(&w, "exact", true);
    hawq_json_ints(&w, "bits", 2, bits);
    hawq_json_array(&w, "empty");
    hawq_json_end(&w);
    hawq_json_array(&w, "rows");
    hawq_json_object(&w, NULL);
    hawq_json_end(&w);
    hawq_json_real(&w, NULL, -0.5);
    hawq_json_end(&w);
    hawq_json_text(&w, "none", NULL);
    hawq_json_text(&w, "no utf-8", "a\xff\xc3(\xe2\x82\xac\xf0\x9f\x98");
    hawq_json_end(&w);
    says(f, "{\n"
            "  \"na\\\"me\": \"back\\\\slash\\u000a\\u0001\",\n"
            "  \"exact\": true,\n"
            "  \"bits\": [8, 4],\n"
            "  \"empty\": [],\n"
            "  \"rows\": [\n"
            "    {},\n"
            "    -0.5\n"
            "  ],\n"
            "  \"none\": null,\n"
            "  \"no utf-8\": \"a\\ufffd\\ufffd(\xe2\x82\xac\\ufffd\\ufffd"
            "\\ufffd\"\n"
            "}\n");
}

/* --- progress ----------------------------------------------------------- */

enum { UPDATES = 200000 };

static void work_interrupted(bool quiet) {
    hawq_progress p;
    hawq_interrupt_open("hawq-x");
    hawq_interrupt_say("all is well");
    hawq_progress_begin(&p, quiet, "measuring", 100, "layers");
    hawq_progress_update(&p, 1, NULL);
    raise(SIGINT);
    _exit(0);
}

static void work(bool quiet) {
    hawq_progress p;
    hawq_progress_begin(&p, quiet, "counting", UPDATES, "things");
    for (int i = 1; i <= UPDATES; i++) hawq_progress_update(&p, i, "note");
    hawq_progress_end(&p);
    hawq_progress_end(&p);
}

/* What `work` writes on stderr when that is `fd`; the child's status. */
static int watch(int fd, int from, void (*work)(bool), bool quiet, char *seen,
                 size_t size) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(fd, STDERR_FILENO);
        work(quiet);
        _exit(0);
    }
    close(fd);
    size_t  used = 0;
    ssize_t n;
    int     status = -1;
    while (used < size - 1 &&
           (n = read(from, seen + used, size - 1 - used)) > 0)
        used += (size_t)n;
    seen[used] = '\0';
    waitpid(child, &status, 0);
    close(from);
    return status;
}

static void progress_on_a_pipe_is_silent(void) {
    char seen[256];
    int  ends[2];
    if (!CHECK(pipe(ends) == 0)) return;
    watch(ends[1], ends[0], work, false, seen, sizeof seen);
    CHECK(!*seen);
}

/* Both ends of a terminal of that many columns; false if there is none. */
static bool open_terminal(int columns, int *from, int *to) {
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    *from = posix_openpt(O_RDWR | O_NOCTTY);
    if (*from < 0 || grantpt(*from) || unlockpt(*from)) {
        printf("skipped: no pseudo-terminal\n");
        return false;
    }
    *to = open(ptsname(*from), O_RDWR | O_NOCTTY);
    return CHECK(*to >= 0 && !ioctl(*to, TIOCSWINSZ, &size));
}

/* The words of a line stand whole, and the bar is as long as there is room. */
static void progress_fits(int columns) {
    static char seen[1 << 16];
    int         from, to;
    if (!open_terminal(columns, &from, &to)) return;
    watch(to, from, work, false, seen, sizeof seen);
    char *line = strrchr(seen, '/'), *end;
    while (line > seen && *line != '\r') line--;
    end = strstr(line, "\033[K");
    if (!CHECK(end != NULL)) return;
    *end = '\0';
    int ok = CHECK(strlen(++line) < (size_t)columns);
    ok &= CHECK(strstr(line, " left  note") != NULL);
    char *open = strchr(line, '['), *shut = strchr(line, ']');
    int   bar = open && shut ? (int)(shut - open) - 1 : 0;
    int   left = columns - 1 - (int)strlen(line);
    ok &= CHECK(bar == 24 || (bar >= 4 && left == 0) || (!bar && left < 7));
    if (!ok) printf("    %d columns: '%s'\n", columns, line);
}

/* An interrupt ends the line, says its own, and then ends the program. */
static void progress_is_interrupted(void) {
    static char seen[1 << 16];
    int         from, to;
    if (!open_terminal(80, &from, &to)) return;
    int status = watch(to, from, work_interrupted, false, seen, sizeof seen);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    const char *end = strstr(seen, "\033[K\r\n");
    CHECK(strstr(seen, "measuring [") && end &&
          !strcmp(end, "\033[K\r\nhawq-x: interrupted by SIGINT; "
                       "all is well\r\n"));
}

static void progress_on_a_terminal(bool quiet, const char *kind) {
    static char seen[1 << 16];
    int         from, to;
    if (!open_terminal(80, &from, &to)) return;
    setenv("TERM", kind, 1);
    watch(to, from, work, quiet, seen, sizeof seen);
    setenv("TERM", "xterm", 1);
    if (quiet || !strcmp(kind, "dumb")) { /* it could not erase the line */
        CHECK(!*seen);
        return;
    }
    CHECK(strstr(seen, "counting [") && strstr(seen, "/200000 things  "));
    CHECK(strstr(seen, "note") != NULL);
    size_t n = strlen(seen), lines = 0;
    CHECK(n > 4 && !strcmp(seen + n - 4, "\r\033[K")); /* erased, once */
    for (const char *at = seen; (at = strchr(at, '\r')); at++) lines++;
    CHECK(lines < 100); /* 200,000 updates take well below ten seconds */
}

/* --- units -------------------------------------------------------------- */

static void unit(const char *given, unsigned allowed, double want) {
    hawq_quantity q = {0};
    if (!CHECK(hawq_parse_quantity("x", given, allowed, &q) == HAWQ_OK) ||
        !CHECK(q.value == want))
        printf("    %s: %g, %s\n", given, q.value, hawq_message());
}

static void units_mean_what_they_say(void) {
    hawq_quantity q;
    hawq_arena    arena = {0};
    const char   *key, *value;
    unit("3B", HAWQ_UNIT_BYTES, 3);
    unit("1.5 KiB", HAWQ_UNIT_BYTES, 1536);
    unit("2MB", HAWQ_UNIT_BYTES, 2e6);
    unit("2GiB", HAWQ_UNIT_BYTES, 0x1p31);
    unit("250us", HAWQ_UNIT_TIME, 250);
    unit("2ms", HAWQ_UNIT_TIME, 2000);
    unit("0.5s", HAWQ_UNIT_TIME, 5e5);
    unit("1.2G", HAWQ_UNIT_COUNT, 1.2e9);
    unit("0x", HAWQ_UNIT_MULTIPLE, 0);
    unit("0.5x", HAWQ_UNIT_MULTIPLE | HAWQ_UNIT_BYTES, 0.5);
    unit("4.5bits", HAWQ_UNIT_BITS, 4.5);
    unit("4.5", HAWQ_UNIT_BITS | HAWQ_UNIT_NONE, 4.5);
    CHECK_FAILS(hawq_parse_quantity("--limit", "100", HAWQ_UNIT_BYTES, &q),
                HAWQ_EINVAL, "--limit: the number 100 needs a unit: B, KiB");
    CHECK_FAILS(hawq_parse_quantity("x", "0x10B", HAWQ_UNIT_BYTES, &q),
                HAWQ_EINVAL, "unknown unit");
    CHECK_FAILS(hawq_parse_quantity("x", "infB", HAWQ_UNIT_BYTES, &q),
                HAWQ_EINVAL, "not a number");
    CHECK_FAILS(hawq_parse_quantity("x", "", HAWQ_UNIT_BYTES, &q), HAWQ_EINVAL,
                "not a number");
    CHECK_OK(hawq_parse_pair("x", "A=B", "a=b=3", &arena, &key, &value));
    CHECK(!strcmp(key, "a=b") && !strcmp(value, "3"));
    CHECK_FAILS(
        hawq_parse_pair("--pin", "LAYER=BITS", "conv1=", &arena, &key, &value),
        HAWQ_EINVAL, "--pin: 'conv1=' is not of the form LAYER=BITS");
    CHECK(!strcmp(hawq_bytes_text(&arena, 1023), "1023 B"));
    CHECK(!strcmp(hawq_bytes_text(&arena, 98714), "96.4 KiB"));
    hawq_arena_free(&arena);
}

static void nearest_is_near(void) {
    static const char *const names[] = {"weight-size", "bops", "mean-bits"};
    CHECK(!strcmp(hawq_nearest("wieght-size", 3, names), "weight-size"));
    CHECK(!strcmp(hawq_nearest("bop", 3, names), "bops"));
    CHECK(!strcmp(hawq_nearest("wei", 3, names), "weight-size"));
    CHECK(hawq_nearest("latency", 3, names) == NULL);
    CHECK(hawq_nearest("", 3, names) == NULL);
}

int main(void) {
    numbers_read_back();
    four_forms_of_a_table();
    a_wide_table_folds();
    csv_quotes_what_would_divide();
    a_table_without_memory_says_so();
    json_nests();
    progress_on_a_pipe_is_silent();
    setenv("TERM", "xterm", 1);
    progress_on_a_terminal(false, "xterm");
    progress_on_a_terminal(true, "xterm");
    progress_on_a_terminal(false, "dumb");
    progress_fits(120);
    progress_fits(75);
    progress_fits(62);
    progress_is_interrupted();
    units_mean_what_they_say();
    nearest_is_near();
    DONE();
}
