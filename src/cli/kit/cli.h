/* cli.h -- what every program shares: a table of options, its help, the
 * common options, exit codes, and the one place where errors are printed.
 *
 * A program is one file src/cli/x/hawq_x.c that defines hawq_command_this; main
 * (main.c) parses the command line by the tables, fills a hawq_cli, and calls
 * `run`. stdout carries results only, stderr progress and errors.
 *
 *     static struct { int samples; const char *report; } o = {.samples = 64};
 *     static const hawq_option options[] = {
 *         HAWQ_OPTION_INT("samples", 'n', &o.samples, 2, 1000000, "N",
 *                         "Hessian samples per layer (default 64)"),
 *         HAWQ_OPTION_TEXT("report", 0, &o.report, "FILE.html",
 *                          "write a report page"),
 *         {0}};
 *     static hawq_status run(hawq_cli *cli) { ... cli->arg[0] ... }
 *     const hawq_command hawq_command_this = {
 *         .name = "hawq-analyze", .summary = "one sentence",
 *         .usage = "MODEL.onnx --data SPEC [options]",
 *         .options = {options, hawq_data_rows}, .min_args = 1, .max_args = 1,
 *         .args = "MODEL.onnx", .run = run};
 *
 * A failure is returned as a status; main prints "hawq-analyze: sentence".
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CLI_H
#define HAWQ_CLI_H
#include "src/base/arena.h"
#include "src/base/record.h"
#include "src/base/status.h"
#include "src/cli/kit/units.h"

/* Exit codes of every program. */
enum {
    HAWQ_EXIT_DONE = 0,
    HAWQ_EXIT_FAILED = 1,     /* the input or the machine is at fault */
    HAWQ_EXIT_USAGE = 2,      /* the command line is: every HAWQ_EINVAL */
    HAWQ_EXIT_INFEASIBLE = 3, /* no solution exists: hawq_cli_infeasible */
    HAWQ_EXIT_MISSED = 4      /* done, but less than asked: hawq_cli_missed */
};

typedef enum hawq_output {
    HAWQ_FORMAT_TABLE, /* aligned, rounded, for people */
    HAWQ_FORMAT_TSV,   /* one header line, full precision */
    HAWQ_FORMAT_CSV,   /* the same in the form of RFC 4180 */
    HAWQ_FORMAT_JSON
} hawq_output;

/* Values of an option that may be repeated, in the order given. */
typedef struct hawq_texts {
    int          n;
    const char **item;
} hawq_texts;

/* Comma-separated numbers of one option: --bits 2,4,8. */
enum { HAWQ_NUMBERS_MAX = 16 };
typedef struct hawq_ints {
    int n;
    int item[HAWQ_NUMBERS_MAX];
} hawq_ints;
typedef struct hawq_reals {
    int    n;
    double item[HAWQ_NUMBERS_MAX];
} hawq_reals;

typedef enum hawq_option_kind {
    HAWQ_KIND_FLAG = 1, /* no value; sets true */
    HAWQ_KIND_INT,      /* in [low, high] */
    HAWQ_KIND_SEED,     /* 0 ... 2^64 - 1 */
    HAWQ_KIND_REAL,     /* in [low, high], finite */
    HAWQ_KIND_TEXT,     /* anything but the empty string */
    HAWQ_KIND_TEXTS,    /* repeatable */
    HAWQ_KIND_INTS,     /* comma-separated, each in [low, high] */
    HAWQ_KIND_REALS,    /* comma-separated, finite */
    HAWQ_KIND_CHOICE,   /* index into the names of `argument`: "a|b|c" */
    HAWQ_KIND_QUANTITY  /* a number with one of the `units` */
} hawq_option_kind;

/* One row of a table; made by the macros below, which check the type of the
 * value's pointer. A table ends with {0}. */
typedef struct hawq_option {
    const char      *name;   /* without "--" */
    char             letter; /* short form -x, or 0 */
    hawq_option_kind kind;
    union {
        bool          *flag;
        int           *integer; /* HAWQ_KIND_INT and HAWQ_KIND_CHOICE */
        uint64_t      *seed;
        double        *real;
        const char   **text;
        hawq_texts    *texts;
        hawq_ints     *ints;
        hawq_reals    *reals;
        hawq_quantity *quantity;
    } value;
    double      low, high;
    unsigned    units;    /* HAWQ_UNIT_x or-ed, for HAWQ_KIND_QUANTITY */
    const char *argument; /* name of the value in the help */
    const char *help; /* one phrase, with the default; NULL: not for users */
} hawq_option;

#define HAWQ_OPTION_FLAG(n, l, pointer, h)                                     \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_FLAG,                    \
        .value.flag = (pointer), .help = (h)                                   \
    }
#define HAWQ_OPTION_INT(n, l, pointer, from, to, a, h)                         \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_INT,                     \
        .value.integer = (pointer), .low = (from), .high = (to),               \
        .argument = (a), .help = (h)                                           \
    }
#define HAWQ_OPTION_SEED(n, l, pointer, a, h)                                  \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_SEED,                    \
        .value.seed = (pointer), .argument = (a), .help = (h)                  \
    }
#define HAWQ_OPTION_REAL(n, l, pointer, from, to, a, h)                        \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_REAL,                    \
        .value.real = (pointer), .low = (from), .high = (to), .argument = (a), \
        .help = (h)                                                            \
    }
#define HAWQ_OPTION_TEXT(n, l, pointer, a, h)                                  \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_TEXT,                    \
        .value.text = (pointer), .argument = (a), .help = (h)                  \
    }
#define HAWQ_OPTION_TEXTS(n, l, pointer, a, h)                                 \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_TEXTS,                   \
        .value.texts = (pointer), .argument = (a), .help = (h)                 \
    }
#define HAWQ_OPTION_INTS(n, l, pointer, from, to, a, h)                        \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_INTS,                    \
        .value.ints = (pointer), .low = (from), .high = (to), .argument = (a), \
        .help = (h)                                                            \
    }
#define HAWQ_OPTION_REALS(n, l, pointer, a, h)                                 \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_REALS,                   \
        .value.reals = (pointer), .argument = (a), .help = (h)                 \
    }
#define HAWQ_OPTION_CHOICE(n, l, pointer, names, h)                            \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_CHOICE,                  \
        .value.integer = (pointer), .argument = (names), .help = (h)           \
    }
#define HAWQ_OPTION_QUANTITY(n, l, pointer, allowed, a, h)                     \
    {                                                                          \
        .name = (n), .letter = (l), .kind = HAWQ_KIND_QUANTITY,                \
        .value.quantity = (pointer), .units = (allowed), .argument = (a),      \
        .help = (h)                                                            \
    }

/* What `run` gets. Common options have their defaults where not given. */
typedef struct hawq_cli {
    const struct hawq_command *command;
    hawq_arena                 arena;  /* lives until main returns */
    int                        n_args; /* positional arguments */
    const char               **arg;
    const char                *line; /* the command line, joined and quoted */
    const char                *db;   /* --db, "hawq.db" */
    int      threads;                /* --threads, 0 = as many as processors */
    uint64_t seed;                   /* --seed, 0 */
    int      format;                 /* --format, a hawq_output */
    bool     quiet;                  /* --quiet: no progress, no remarks */
    bool     verbose;                /* --verbose: hawq_cli_detail speaks */
    bool     infeasible;
    bool     missed;
} hawq_cli;

typedef struct hawq_command {
    const char        *name, *summary, *usage;
    const hawq_option *options[4]; /* tables, own first; common ones follow */
    int                min_args, max_args; /* positional; max -1: any number */
    const char        *args;  /* name of the first, for "X is missing" */
    bool               ranks; /* runs under mpirun; only rank 0 prints */
    bool               no_db; /* stores nothing: --db is not offered */
    hawq_status (*run)(hawq_cli *cli);
} hawq_command;

extern const hawq_command hawq_command_this;

/* Parses, runs, prints the error if there is one, and returns the exit code.
 * A result that could not be written to stdout is an error, too. */
int hawq_cli_main(const hawq_command *command, int argc, char **argv);

/* Records the sentence and makes main exit with HAWQ_EXIT_INFEASIBLE:
 *     return hawq_cli_infeasible(cli, "weight-size: ..."); */
hawq_status hawq_cli_infeasible(hawq_cli *cli, const char *format, ...)
    HAWQ_PRINTF(2, 3);

/* A result falls short of what the user requires: one line on stderr, with
 * --quiet, too. If nothing else fails, main exits with HAWQ_EXIT_MISSED. */
void hawq_cli_missed(hawq_cli *cli, const char *format, ...) HAWQ_PRINTF(2, 3);

/* One line on stderr, "hawq-search: note: ...", unless --quiet. For findings
 * the user should know that are no errors. */
void hawq_cli_note(const hawq_cli *cli, const char *format, ...)
    HAWQ_PRINTF(2, 3);

/* The same for what only a curious user wants: said with --verbose alone. */
void hawq_cli_detail(const hawq_cli *cli, const char *format, ...)
    HAWQ_PRINTF(2, 3);

/* What a signal that ends the program from now on reports as stored, a clause
 * ("run 3 in hawq.db keeps what was found"); unfinished: and the command line
 * that goes on with it, --resume added. */
void hawq_cli_stored(hawq_cli *cli, bool unfinished, const char *format, ...)
    HAWQ_PRINTF(3, 4);

/* Program, version, command line, seed, threads (resolved) and host name; the
 * other texts "". The caller adds model, data, loss, provider, sampling. */
void hawq_cli_record(hawq_cli *cli, hawq_run_record *out);

/* The first of n names that begins with `text` (two characters or more), else
 * the nearest by edit distance, or NULL if none is near; for "did you mean". */
const char *hawq_nearest(const char *text, int n, const char *const *name);

#endif
