/* test_search_inputs.c -- hawq-search from outside on problem files that people
 * write by program, and with many options.
 *
 * Claims: a number that is none is refused with its place; the more specific
 * pin holds; losses that say nothing are not called optimal without that;
 * results come before notes where both go to one file; a name can neither end a
 * row nor steer a terminal; and nothing grows with the square of layers, ties,
 * keys or arguments.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/images.h"
#include "tests/program.h"

#define SOLVE "hawq-search --problem p.json "

static const char two[] =
    "{\"weight_bits\": 8, \"activation_bits\": 8, \"loss\": %s, \"cost\": "
    "{\"weight-size\": 8}}, {\"weight_bits\": 2, \"activation_bits\": 8, "
    "\"loss\": %s, \"cost\": {\"weight-size\": %s}}";

/* Appends n layers called name0, name1, ... with the given losses. */
static void put_layers(FILE *f, int n, const char *name, const char *group,
                       const char *low, const char *high, const char *cost) {
    for (int l = 0; l < n; l++) {
        fprintf(f, "%s{\"name\": \"%s%d\", ", l ? ", " : "", name, l);
        if (group) fprintf(f, "\"group\": \"%s\", ", group);
        fprintf(f, "\"candidates\": [");
        fprintf(f, two, low, high, cost);
        fprintf(f, "]}");
    }
}

static void put_problem(int n, const char *name, const char *group,
                        const char *low, const char *high, const char *cost) {
    FILE *f = fopen("p.json", "wb");
    if (!CHECK(f != NULL)) return;
    fprintf(f, "{\"layers\": [");
    put_layers(f, n, name, group, low, high, cost);
    fprintf(f, "], \"budgets\": {\"weight-size\": %d}}", 8 * n);
    fclose(f);
}

static void numbers_that_are_none(void) {
    put_problem(3, "l", NULL, "0.1", "NaN", "2");
    program_says(SOLVE, 1,
                 "p.json: layer 'l0', candidate 1: the loss is not "
                 "finite (nan)");
    put_problem(3, "l", NULL, "-Infinity", "1", "2");
    program_says(SOLVE, 1,
                 "layer 'l0', candidate 0: the loss is not finite "
                 "(-inf)");
    put_problem(3, "l", NULL, "1", "1e999", "2");
    program_says(SOLVE, 1, "layer 'l0', candidate 1: the loss is not finite");
    put_problem(3, "l", NULL, "1", "2", "Infinity");
    program_says(SOLVE, 1, "candidate 1: the cost 'weight-size' is not finite");
    put_problem(3, "NaN", NULL, "1", "2", "2"); /* in a text it is a name */
    program_says(SOLVE "--format tsv", 0, "NaN2\t");
    put_problem(3, "l", NULL, "null", "2", "2");
    program_says(SOLVE, 1, "layer 'l0', candidate 0: \"loss\" is not a number");
    put_problem(3, "l", NULL, "NotANumber", "2", "2");
    program_says(SOLVE, 1, "p.json: line 1: not valid JSON at: ");
    program_says("hawq-search net.onnx --budget weight-size=1e308GiB", 2,
                 "'1e308GiB' is too large");
}

/* Bits of layers l0 ... l3 by name, one digit each. */
static void pinned(const char *pins, const char *group, const char *want) {
    char command[512], bits[5] = "";
    put_problem(4, "l", group, "0", "1", "2");
    snprintf(command, sizeof command, SOLVE "--format tsv %s", pins);
    if (!program_step(command, 0)) return;
    const char *row = strchr(program_out, '\n');
    for (int l = 0; l < 4 && row; l++, row = strchr(row + 1, '\n')) {
        const char *cell = strchr(row + 1, '\t');
        cell = cell ? strchr(cell + 1, '\t') : NULL;
        bits[l] = cell ? cell[1] : '?';
    }
    if (!CHECK(!strcmp(bits, want)))
        printf("    %s: %s, not %s\n", pins, bits, want);
}

static void the_more_specific_pin_holds(void) {
    pinned("--pin *=2 --pin l1=8", NULL, "2822");
    pinned("--pin l1=8 --pin *=2", NULL, "2822");
    pinned("--pin l*=8 --pin *=2", NULL, "8888");
    pinned("--pin l[01]=2 --pin *=8 --pin l[12]=8", NULL, "2888");
    pinned("--pin *=8 --pin *=2", NULL, "2222");
    pinned("--pin l2=8 --pin l2=2", NULL, "8828");
    pinned("--pin l*=2 --first-last 8", NULL, "8228");
    pinned("--first-last 8 --pin l3=2 --pin l?=2", NULL, "8222");
    pinned("--pin *=8 --pin l1=2", "g", "2222");
    pinned("--pin *=2 --pin l?=8 --pin l1=2 --pin l3=2", "g", "2222");
    put_problem(4, "l", "g", "0", "1", "2");
    program_says(SOLVE "--pin l1=8 --pin l2=2", 2,
                 "pin l2=2 contradicts l1=8, which is as specific");
    program_says(SOLVE "--pin *=2 --pin l7=8", 2, "there is no layer 'l7'");
}

static void losses_that_say_nothing(void) {
    put_problem(3, "l", NULL, "0", "0", "2");
    program_says(SOLVE "--quiet", 0,
                 "gap 0), but all losses are 0: they cannot tell layers apart");
    program_says(SOLVE "--format json --quiet", 0,
                 "\"indifferent\": \"all losses are 0\"");
    program_says(SOLVE "--format csv", 0, "they cannot tell layers apart");
    program_says(SOLVE "--pareto weight-size", 0, "cannot tell layers apart");
    put_problem(3, "l", NULL, "0.5", "0.5", "2");
    program_says(SOLVE, 0, "but no loss depends on the bits");
    put_problem(3, "l", NULL, "0", "1e-300", "2");
    program_step(SOLVE, 0);
    CHECK(!strstr(program_out, "apart") && !strstr(program_err, "apart"));
}

/* --- what is printed --------------------------------------------------------
 */

/* Both streams into program_out, by one file. */
static bool run_into_one(const char *arguments) {
    char command[8192];
    snprintf(command, sizeof command,
             "\"$HAWQ_BUILD\"/hawq-search %s > both.txt 2>&1", arguments);
    int status = system(command);
    program_slurp("both.txt", program_out);
    return CHECK(status == 0);
}

static void results_before_notes(void) {
    put_problem(3, "l", NULL, "0", "0", "2");
    if (!run_into_one("--problem p.json")) return;
    const char *state = strstr(program_out, "\nstate ");
    const char *note = strstr(program_out, "hawq-search: note");
    CHECK(!strncmp(program_out, "layer ", 6));
    CHECK(state && note && state < note && note[-1] == '\n');
}

static void names_are_shown(void) {
    static const char *const format[] = {"table", "tsv", "csv", "json"};
    char                     command[128];
    put_problem(2, "a\\tb\\u001b[2J\\n\\u007f\\u0085", NULL, "0", "0", "2");
    for (int i = 0; i < 4; i++) {
        snprintf(command, sizeof command, SOLVE "--format %s", format[i]);
        program_step(command, 0);
        CHECK(!strpbrk(program_out, "\033\177") &&
              !strstr(program_out, "\302"));
        CHECK(strstr(program_out, i < 3 ? "a\\tb\\x1b[2J\\n\\x7f\\xc2\\x850"
                                        : "a\\u0009b\\u001b[2J\\u000a\\u007f"
                                          "\\u00850"));
    }
    put_problem(2, "a\\u001b[2J", NULL, "0", "NaN", "2");
    program_says(SOLVE, 1, "layer 'a\\x1b[2J0', candidate 1");
    CHECK(!strchr(program_err, '\033'));
}

/* --- many -------------------------------------------------------------------
 */

enum { MANY = 10000 };

static void tied_by_the_thousand(void) {
    put_problem(MANY, "layer", "one", "0", "1", "2");
    program_step(SOLVE "--format tsv", 0);
    const char *note = strstr(program_err, "tied (same group): layer0, layer1");
    CHECK(note && strstr(note, " and 9900 more\n"));
}

/* Remarks may have any keys, in any number; twice is twice. */
static void keys_by_the_thousand(void) {
    FILE *f = fopen("p.json", "wb");
    if (!CHECK(f != NULL)) return;
    fprintf(f, "{");
    for (int i = 0; i < 3 * MANY; i++) fprintf(f, "\"remark%d\": \"\", ", i);
    fprintf(f, "\"layers\": [");
    put_layers(f, 2, "l", NULL, "0", "1", "2");
    fprintf(f, "], \"remark77\": \"\"}");
    fclose(f);
    program_says(SOLVE, 1, "the file: key \"remark77\" comes twice");
}

static void arguments_by_the_thousand(void) {
    FILE *f = fopen("args.txt", "wb");
    if (!CHECK(f != NULL)) return;
    put_problem(MANY, "l", NULL, "0", "1", "2");
    fprintf(f, "--format\ntsv\n--problem\np.json\n");
    for (int i = 0; i < MANY; i++)
        fprintf(f, "--pin\nl%d=%d\n", i, i % 3 ? 8 : 2);
    fclose(f);
    CHECK(system("xargs -s 1000000 -n 40000 -a args.txt "
                 "\"$HAWQ_BUILD\"/hawq-search > many.txt") == 0);
    f = fopen("many.txt", "rb");
    char row[256];
    int  rows = -1, narrow = 0;
    for (; f && fgets(row, sizeof row, f); rows++)
        narrow += strstr(row, "\t2\t8\t") != NULL;
    if (f) fclose(f);
    CHECK(rows == MANY && narrow == (MANY + 2) / 3);
}

int main(void) {
    if (!program_open()) return 1;
    if (program_built("hawq-search")) {
        numbers_that_are_none();
        the_more_specific_pin_holds();
        losses_that_say_nothing();
        results_before_notes();
        names_are_shown();
        tied_by_the_thousand();
        keys_by_the_thousand();
        arguments_by_the_thousand();
    }
    program_close();
    DONE();
}
