/* manual.c -- see manual.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/manual.h"

#include <ctype.h>
#include <string.h>

/* By exit code. */
static const char *const exits[] = {"done", "failed", "wrong usage",
                                    "infeasible", "limit missed"};
enum { EXITS = sizeof exits / sizeof *exits };

static const char *const programs[] = {
    "hawq-analyze", "hawq-search", "hawq-quantize", "hawq-bench", "hawq-train"};
enum { PROGRAMS = sizeof programs / sizeof *programs };

/* --- help --------------------------------------------------------------- */

void hawq_manual_help(const hawq_command *command, hawq_tables tables,
                      FILE *out) {
    fprintf(out, "usage: %s ", command->name);
    hawq_text_wrap(out, command->usage, (int)strlen(command->name) + 8);
    fprintf(out, "\n\n");
    hawq_text_wrap(out, command->summary, 0);
    fprintf(out, "\n\n");
    hawq_options_help(tables, out);
    fprintf(out, "\nExit status: ");
    for (int i = 0; i < EXITS; i++)
        fprintf(out, "%d %s%s", i, exits[i], i + 1 < EXITS ? ", " : ".\n");
}

/* --- the manual --------------------------------------------------------- */

/* Text for troff: a hyphen-minus is no hyphen that may be broken at, and what
 * begins a line with a dot or a quote is no request. */
static void roff(FILE *out, const char *text) {
    if (*text == '.' || *text == '\'') fputs("\\&", out);
    for (; *text; text++)
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
}

static void roff_bold(FILE *out, const char *before, const char *text) {
    fputs("\\fB", out);
    roff(out, before);
    roff(out, text);
    fputs("\\fR", out);
}

static void section(FILE *out, const char *title) {
    fprintf(out, ".SH %s\n", title);
}

static void page_option(const hawq_option *o, FILE *out) {
    char letter[2] = {o->letter, '\0'};
    fputs(".TP\n", out);
    if (o->letter) {
        roff_bold(out, "-", letter);
        fputs(", ", out);
    }
    roff_bold(out, "--", o->name);
    if (o->argument) {
        fputs(" \\fI", out);
        roff(out, o->argument);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    roff(out, o->help);
    fputs(o->kind == HAWQ_KIND_TEXTS ? " (repeatable)\n" : "\n", out);
}

static void page_end(const hawq_command *command, FILE *out) {
    section(out, "EXIT STATUS");
    for (int i = 0; i < EXITS; i++) fprintf(out, ".TP\n%d\n%s\n", i, exits[i]);
    section(out, "ENVIRONMENT");
    fputs(".TP\n.B TERM\n\"dumb\": no progress is drawn\n", out);
    if (!command->no_db) {
        section(out, "FILES");
        fputs(".TP\n.I hawq.db\nthe results: an SQLite database whose views can"
              " be queried\n",
              out);
    }
    section(out, "SEE ALSO");
    fputs("\\fBhawq\\fR(7): candidates, budgets, data and the database,\n", out);
    const char *comma = "";
    for (int i = 0; i < PROGRAMS; i++) {
        if (!strcmp(programs[i], command->name)) continue;
        fputs(comma, out);
        roff_bold(out, "", programs[i]);
        fputs("(1)", out);
        comma = ",\n";
    }
    fputc('\n', out);
}

void hawq_manual_page(const hawq_command *command, hawq_tables tables,
                      FILE *out) {
    fputs(".TH ", out);
    for (const char *c = command->name; *c; c++)
        fputc(toupper((unsigned char)*c), out);
    fprintf(out, " 1 \"\" \"hawq-c %s\" \"User Commands\"\n", HAWQ_VERSION);
    fputs(".ad l\n.nh\n", out); /* long words stand in narrow columns */
    section(out, "NAME");
    roff(out, command->name);
    fputs(" \\- ", out);
    roff(out, command->summary);
    fputc('\n', out);
    section(out, "SYNOPSIS");
    roff_bold(out, "", command->name);
    fputc('\n', out);
    roff(out, command->usage);
    fputc('\n', out);
    section(out, "OPTIONS");
    for (; *tables; tables++)
        for (const hawq_option *o = *tables; o->name; o++)
            if (o->help) page_option(o, out);
    page_end(command, out);
}

/* --- completion
 * --------------------------------------------------------------- */

/* The values of options like this one: a list, any file, or nobody knows. */
typedef enum values { LISTED, FILES, UNKNOWN, NONE } values;

static values values_of(const hawq_option *o) {
    switch (o->kind) {
    case HAWQ_KIND_FLAG:
        return NONE;
    case HAWQ_KIND_CHOICE:
        return LISTED;
    case HAWQ_KIND_TEXT:
    case HAWQ_KIND_TEXTS:
        return FILES;
    default:
        return UNKNOWN;
    }
}

static void words(const char *choice, FILE *out) {
    for (; *choice; choice++) fputc(*choice == '|' ? ' ' : *choice, out);
}

static void complete_value(const hawq_option *o, FILE *out) {
    if (values_of(o) == NONE || values_of(o) == FILES) return;
    fprintf(out, "    --%s", o->name);
    if (o->letter) fprintf(out, " | -%c", o->letter);
    fputs(")\n", out);
    if (values_of(o) == LISTED) {
        fputs("        COMPREPLY=($(compgen -W '", out);
        words(o->argument, out);
        fputs("' -- \"$word\"))\n", out);
    }
    fputs("        return ;;\n", out);
}

/* bash cuts "--name=value" at the "=". */
static const char begins[] = "    local word=${COMP_WORDS[COMP_CWORD]}\n"
                             "    local before=${COMP_WORDS[COMP_CWORD-1]}\n"
                             "    COMPREPLY=()\n"
                             "    if [ \"$word\" = = ]; then\n"
                             "        word=\n"
                             "    elif [ \"$before\" = = ]; then\n"
                             "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
                             "    fi\n"
                             "    case $before in\n";

void hawq_manual_completion(const hawq_command *command, hawq_tables tables,
                            FILE *out) {
    char function[64];
    snprintf(function, sizeof function, "_%s", command->name);
    for (char *c = function; *c; c++)
        if (*c == '-') *c = '_';
    fprintf(out, "# bash completion for %s\n%s() {\n%s", command->name,
            function, begins);
    for (hawq_tables t = tables; *t; t++)
        for (const hawq_option *o = *t; o->name; o++)
            if (o->help) complete_value(o, out);
    fputs("    esac\n"
          "    case $word in\n"
          "    -*) COMPREPLY=($(compgen -W '",
          out);
    const char *blank = "";
    for (hawq_tables t = tables; *t; t++)
        for (const hawq_option *o = *t; o->name; o++)
            if (o->help) {
                fprintf(out, "%s--%s", blank, o->name);
                blank = " ";
            }
    fprintf(out,
            "' -- \"$word\")) ;;\n"
            "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
            "    esac\n"
            "}\n"
            "complete -o filenames -F %s %s\n",
            function, command->name);
}
