/* test_options.c -- the option table of a program, row by row.
 *
 * Claims: every kind of value is read in both forms and shown in the command
 * line that is stored; what is none is refused with one sentence that says what
 * is; the help is the table; exit codes are the promised ones.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/cli.h"
#include "tests/program.h"

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

/* The probe's main in a child; fills program_out and program_err. */
static int run_probe(const char *text) {
    char command[1024], *argv[PROGRAM_ARGS];
    int  n = 0;
    snprintf(command, sizeof command, "probe %s", text);
    for (char *at = strtok(command, " "); at && n < PROGRAM_ARGS - 1;
         at = strtok(NULL, " "))
        argv[n++] = at;
    argv[n] = NULL;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        program_redirect("stdout.txt", STDOUT_FILENO);
        program_redirect("stderr.txt", STDERR_FILENO);
        int code = hawq_cli_main(&probe, n, argv);
        fflush(stdout);
        _exit(code);
    }
    return program_end(child);
}

static void probe_says(const char *args, int want, const char *out,
                       const char *err) {
    int code = run_probe(args);
    if (CHECK(code == want) & CHECK(!strcmp(program_out, out)) &
        CHECK(!strcmp(program_err, err)))
        return;
    printf("    exit %d\n", code);
    program_show(args);
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
               "Exit status: 0 done, 1 failed, 2 wrong usage, 3 infeasible, 4 "
               "limit missed.\n",
               "");
}

int main(void) {
    if (!program_open()) return 1;
    options_are_read();
    options_are_refused();
    help_is_the_table();
    program_close();
    DONE();
}
