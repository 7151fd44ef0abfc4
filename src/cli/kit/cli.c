/* cli.c -- from main to run and back: common options, help, errors.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/cli.h"

#include "src/base/comm.h"
#include "src/cli/kit/interrupt.h"
#include "src/cli/kit/manual.h"
#include "src/cli/kit/memory.h"
#include "src/cli/kit/options.h"
#include "src/cli/kit/output.h"
#include "src/cli/kit/version.h"
#include "src/load/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MAX_TABLES = 7 };

const char *hawq_nearest(const char *text, int n, const char *const *name) {
    const char *near = NULL;
    size_t      length = strlen(text);
    int         least = 1 + (int)length / 3; /* no wilder guesses */
    for (int i = 0; i < n; i++) /* what it begins, before what it is like */
        if (length > 1 && !strncmp(name[i], text, length)) return name[i];
    for (int i = 0; i < n; i++) {
        int d = hawq_names_distance(text, name[i]);
        if (d < least || (d == least && !near)) {
            near = name[i];
            least = d;
        }
    }
    return near;
}

hawq_status hawq_cli_infeasible(hawq_cli *cli, const char *format, ...) {
    char    text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli->infeasible = true;
    return hawq_fail(HAWQ_EINVAL, "%s", text);
}

/* A line on stderr; what was found comes first, where both are one file. Names
 * in it are shown, see hawq_shown. */
static void print_line(const hawq_cli *cli, const char *kind,
                       const char *text) {
    hawq_arena scratch = {0};
    fflush(stdout);
    fprintf(stderr, "%s: %s%s\n", cli->command->name, kind,
            hawq_shown(&scratch, text));
    hawq_arena_free(&scratch);
}

static void say(const hawq_cli *cli, const char *kind, const char *format,
                va_list args) {
    va_list    again;
    hawq_arena scratch = {0};
    va_copy(again, args);
    int    n = vsnprintf(NULL, 0, format, again);
    size_t bytes = n < 0 ? 0 : (size_t)n + 1;
    char  *text = hawq_arena_take(&scratch, bytes, 1);
    va_end(again);
    if (text && bytes) {
        vsnprintf(text, bytes, format, args);
        print_line(cli, kind, text);
    }
    hawq_arena_free(&scratch);
}

void hawq_cli_note(const hawq_cli *cli, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!cli->quiet) say(cli, "note: ", format, args);
    va_end(args);
}

void hawq_cli_missed(hawq_cli *cli, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(cli, "", format, args);
    va_end(args);
    cli->missed = true;
}

void hawq_cli_detail(const hawq_cli *cli, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (cli->verbose && hawq_comm_rank() == 0) say(cli, "", format, args);
    va_end(args);
}

void hawq_cli_stored(hawq_cli *cli, bool unfinished, const char *format, ...) {
    char    text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!cli->line) return; /* not from a command line */
    const char *rest = cli->line + strlen(cli->command->name);
    bool        again = strstr(rest, " --resume") != NULL;
    const char *whole =
        unfinished
            ? hawq_arena_format(&cli->arena, "%s; go on with\n    %s%s%s", text,
                                cli->command->name, again ? "" : " --resume",
                                rest)
            : hawq_arena_string(&cli->arena, text);
    if (whole) hawq_interrupt_say(whole);
}

void hawq_cli_record(hawq_cli *cli, hawq_run_record *out) {
    struct utsname system;
    const char    *host = NULL;
    if (!uname(&system)) host = hawq_arena_string(&cli->arena, system.nodename);
    *out = (hawq_run_record){
        .program = cli->command->name,
        .version = HAWQ_VERSION,
        .command = cli->line,
        .model_path = "",
        .model_hash = "",
        .data = "",
        .loss = "",
        .seed = cli->seed,
        .threads =
            cli->threads ? cli->threads : (int)sysconf(_SC_NPROCESSORS_ONLN),
        .host = host ? host : "",
        .provider = "",
        .sampling = "",
    };
}

/* A text that grows by the end. */
typedef struct line {
    hawq_arena *arena;
    char       *text; /* NULL: no memory */
    size_t      n;
} line;

static void put(line *l, const char *text, size_t n) {
    for (size_t i = 0; i < n && l->text; i++) {
        l->text = hawq_arena_grow(l->arena, l->text, l->n, 1);
        if (l->text) l->text[l->n++] = text[i];
    }
}

/* As a shell would need it: in single quotes where it would cut or expand, and
 * a single quote itself as '\''. */
static void quote(line *l, const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_=./,:+@%";
    if (*text && !text[strspn(text, plain)]) {
        put(l, text, strlen(text));
        return;
    }
    put(l, "'", 1);
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, "'");
        put(l, at, length);
        at += length;
        if (!*at) break;
        put(l, "'\\''", 4);
    }
    put(l, "'", 1);
}

static hawq_status join(hawq_cli *cli, int argc, char **argv) {
    line l = {.arena = &cli->arena, .text = ""};
    put(&l, cli->command->name, strlen(cli->command->name));
    for (int i = 1; i < argc; i++) {
        put(&l, " ", 1);
        quote(&l, argv[i]);
    }
    put(&l, "", 1);
    cli->line = l.text;
    return l.text ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status check_args(const hawq_cli *cli) {
    const hawq_command *c = cli->command;
    if (cli->n_args < c->min_args)
        return hawq_fail(HAWQ_EINVAL, "%s is missing; usage: %s %s", c->args,
                         c->name, c->usage);
    if (c->max_args >= 0 && cli->n_args > c->max_args)
        return hawq_fail(HAWQ_EINVAL, "unexpected argument '%s'; usage: %s %s",
                         cli->arg[c->max_args], c->name, c->usage);
    for (int i = 0; i < cli->n_args; i++)
        if (!cli->arg[i][0])
            return hawq_fail(HAWQ_EINVAL,
                             "the name of a file is empty; usage: %s %s",
                             c->name, c->usage);
    return HAWQ_OK;
}

/* SQLite's word for a database in memory, which would be gone at once. */
static hawq_status check_database(const hawq_cli *cli) {
    if (strcmp(cli->db, ":memory:")) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "--db: results in ':memory:' would be lost at the end; "
                     "give the name of a file");
}

static hawq_status parse_and_run(hawq_cli *cli, int argc, char **argv) {
    const hawq_command *command = cli->command;
    bool                help = false, version = false;
    int                 manual = -1;
    const hawq_option   database[] = {
          HAWQ_OPTION_TEXT("db", 0, &cli->db, "FILE",
                           "results database (default hawq.db)"),
          {0}};
    const hawq_option common[] = {
        HAWQ_OPTION_INT("threads", 't', &cli->threads, 0, 1024, "N",
                        "worker threads (default 0: one per processor)"),
        HAWQ_OPTION_SEED("seed", 0, &cli->seed, "N",
                         "seed of all random numbers (default 0)"),
        HAWQ_OPTION_CHOICE("format", 0, &cli->format, "table|tsv|csv|json",
                           "form of the results on stdout (default table)"),
        HAWQ_OPTION_FLAG("quiet", 'q', &cli->quiet,
                         "no progress and no notes on stderr"),
        HAWQ_OPTION_FLAG("verbose", 'v', &cli->verbose,
                         "the memory used, on stderr; hawq-analyze: "
                         "also the memory it will take, before it starts"),
        HAWQ_OPTION_FLAG("version", 0, &version, "print the version and exit"),
        HAWQ_OPTION_FLAG("help", 'h', &help, "print this help and exit"),
        HAWQ_OPTION_CHOICE("manual", 0, &manual, "man|bash", NULL), /* build */
        {0}};
    const hawq_option *tables[MAX_TABLES] = {NULL};
    int                n = 0;
    for (int i = 0; i < 4 && command->options[i]; i++)
        tables[n++] = command->options[i];
    if (!command->no_db) tables[n++] = database;
    tables[n] = common;
    HAWQ_TRY(join(cli, argc, argv));
    HAWQ_TRY(hawq_options_parse(cli, tables, argc, argv));
    if (help)
        hawq_manual_help(command, tables, stdout);
    else if (manual == 0)
        hawq_manual_page(command, tables, stdout);
    else if (manual == 1)
        hawq_manual_completion(command, tables, stdout);
    else if (version)
        hawq_version_print(command->name, stdout);
    if (help || manual >= 0 || version) return HAWQ_OK;
    HAWQ_TRY(check_args(cli));
    HAWQ_TRY(check_database(cli));
    hawq_status status = command->run(cli);
    hawq_cli_detail(
        cli, "memory used at most: %s",
        hawq_bytes_text(&cli->arena, (double)hawq_memory_resident_most()));
    return status;
}

/* An argument out of range is the command line's fault, all else is not. */
static int exit_code(const hawq_cli *cli, hawq_status status) {
    if (cli->infeasible) return HAWQ_EXIT_INFEASIBLE;
    if (status == HAWQ_OK)
        return cli->missed ? HAWQ_EXIT_MISSED : HAWQ_EXIT_DONE;
    return status == HAWQ_EINVAL ? HAWQ_EXIT_USAGE : HAWQ_EXIT_FAILED;
}

/* One of several ranks; all but the first are silent. */
static hawq_status join_ranks(hawq_cli *cli) {
    if (!cli->command->ranks) return HAWQ_OK;
    HAWQ_TRY(hawq_comm_open());
    cli->quiet = hawq_comm_rank() > 0;
    if (cli->quiet && !freopen("/dev/null", "w", stdout))
        return hawq_fail(HAWQ_EIO, "/dev/null cannot be opened");
    return HAWQ_OK;
}

int hawq_cli_main(const hawq_command *command, int argc, char **argv) {
    hawq_cli    cli = {.command = command, .db = "hawq.db"};
    hawq_status status = join_ranks(&cli);
    hawq_interrupt_open(hawq_comm_rank() ? NULL : command->name);
    if (status == HAWQ_OK) status = parse_and_run(&cli, argc, argv);
    if ((fflush(stdout) || ferror(stdout)) && status == HAWQ_OK)
        status = hawq_fail(HAWQ_EIO, "the results cannot be written to stdout");
    int code = exit_code(&cli, status);
    if (code && code != HAWQ_EXIT_MISSED && hawq_comm_rank() == 0)
        print_line(&cli, "", hawq_message());
    hawq_comm_close();
    hawq_interrupt_say(NULL);
    hawq_arena_free(&cli.arena);
    return code;
}
