/* test_house.c -- the rules of the house, read from the sources themselves.
 *
 * Claims: folders include only what the table allows; a third-party header
 * stands in one file; library code neither prints nor exits; nothing calls what
 * overruns or misreads; every file says its licence. (That each header compiles
 * alone is checked by the build.)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/check.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>

static const char *const folders[] = {
    "src/base",      "src/graph",     "src/ops",          "src/load",
    "src/quant",     "src/train",     "src/deploy",       "src/exchange",
    "hessian",       "search",        "results",          "kernels",
    "tests",         "src/cli/kit",   "src/cli/analyze",  "src/cli/search",
    "src/cli/bench", "src/cli/train", "src/cli/quantize", "src/report"};
enum { FOLDERS = sizeof folders / sizeof *folders };

/* Who may include whom; a name ending in .h is one header. Folders that are
 * not listed may include everything. */
static const struct rule {
    const char *folder, *may[10];
} rules[] = {
    {"src/base", {"src/base"}},
    {"src/graph", {"src/base", "src/graph", "kernels"}},
    {"src/ops", {"src/base", "src/graph", "src/ops"}},
    {"src/load", {"src/base", "src/graph", "src/ops", "src/load", "onnx"}},
    {"hessian", {"src/base", "src/graph", "hessian"}},
    {"search", {"src/base", "search"}},
    {"results", {"src/base", "results"}},
    {"src/report", {"src/base", "src/report", "hessian/statistics.h"}},
    {"kernels", {"kernels"}},
    {"src/quant", {"src/base", "src/graph", "src/quant", "kernels/arith.h"}},
    {"src/deploy",
     {"src/base", "src/graph", "src/quant", "src/deploy", "kernels"}},
    {"src/exchange",
     {"src/base", "src/graph", "src/ops", "src/load", "src/quant", "src/deploy",
      "src/exchange", "kernels", "onnx"}},
    {"src/train",
     {"src/base", "src/graph", "src/ops", "src/quant", "src/train"}},
};
enum { RULES = sizeof rules / sizeof *rules };

/* Headers of C17, POSIX, Linux and the compiler: no third party's. */
static const char *const system_headers[] = {
    "assert.h",      "ctype.h",       "dirent.h",   "dlfcn.h",
    "errno.h",       "fcntl.h",       "float.h",    "ftw.h",
    "immintrin.h",   "inttypes.h",    "limits.h",   "math.h",
    "pthread.h",     "sched.h",       "signal.h",   "stdarg.h",
    "stdatomic.h",   "stdbool.h",     "stddef.h",   "stdint.h",
    "stdio.h",       "stdlib.h",      "string.h",   "strings.h",
    "time.h",        "unistd.h",      "cpuid.h",    "locale.h",
    "sys/ioctl.h",   "sys/mman.h",    "sys/stat.h", "sys/time.h",
    "sys/types.h",   "sys/utsname.h", "sys/wait.h", "sys/resource.h",
    "sys/syscall.h", "stdalign.h",    "fenv.h",     "sys/auxv.h"};
enum { SYSTEM = sizeof system_headers / sizeof *system_headers };

/* Never, and never outside the programs and the tests. */
static const char *const banned[] = {"strcpy", "strcat", "sprintf", "vsprintf",
                                     "gets",   "atoi",   "atol",    "atoll",
                                     "atof",   "rand",   "srand",   "alloca"};
static const char *const banned_in_libraries[] = {
    "printf", "puts",  "putchar", "perror",   "exit",
    "_exit",  "abort", "signal",  "setlocale"};
static const char *const banned_words[] = {"stdout", "stderr"};
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

enum { THIRD = 64, NAME = 512 };
static struct { char header[NAME], file[NAME]; } third[THIRD];
static int n_third, n_files;

/* --- reading ------------------------------------------------------------ */

static char *read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    if (!f) return NULL;
    if (!fseek(f, 0, SEEK_END)) {
        long size = ftell(f);
        text = size < 0 ? NULL : calloc((size_t)size + 1, 1);
        rewind(f);
        if (text && fread(text, 1, (size_t)size, f) != (size_t)size) {
            free(text);
            text = NULL;
        }
    }
    fclose(f);
    return text;
}

/* Blanks comments, strings and characters, so that what is left is code. An
 * #include keeps its name. */
static void keep_code(char *t) {
    bool include = false;
    for (char *p = t; *p; p++) {
        if (*p == '\n') include = false;
        if (*p == '#') include = !strncmp(p, "#include", 8);
        if (p[0] == '/' && p[1] == '*') {
            for (; *p && !(p[0] == '*' && p[1] == '/'); p++)
                if (*p != '\n') *p = ' ';
            if (*p) p[0] = p[1] = ' ';
        } else if (p[0] == '/' && p[1] == '/') {
            for (; p[1] && p[1] != '\n'; p++) *p = ' ';
            *p = ' ';
        } else if ((*p == '"' || *p == '\'') && !include) {
            char quote = *p;
            for (p++; *p && *p != quote && *p != '\n'; p++) {
                if (*p == '\\' && p[1]) *p++ = ' ';
                *p = ' ';
            }
        }
        if (!*p) break;
    }
}

/* --- rules -------------------------------------------------------------- */

static void complain(const char *file, const char *what, const char *word) {
    check_count++;
    check_failed++;
    printf("%s: %s %s\n", file, what, word);
}

static bool one_of(const char *word, size_t length, const char *const *list,
                   int n) {
    for (int i = 0; i < n; i++)
        if (strlen(list[i]) == length && !memcmp(list[i], word, length))
            return true;
    return false;
}

static bool may_include(const char *folder, const char *name) {
    size_t length = (size_t)(strrchr(name, '/') - name);
    for (int i = 0; i < RULES; i++) {
        if (strcmp(rules[i].folder, folder)) continue;
        for (int j = 0; j < 10 && rules[i].may[j]; j++)
            if (one_of(name, length, &rules[i].may[j], 1) ||
                !strcmp(name, rules[i].may[j]))
                return true;
        return false;
    }
    return true;
}

static void check_own(const char *folder, const char *file, const char *name) {
    check_count++;
    if (!strchr(name, '/'))
        complain(file, "includes not from the root:", name);
    else if (!may_include(folder, name))
        complain(file, "may not include", name);
}

/* A library is its folder: gsl/gsl_cdf.h and gsl/gsl_math.h in one file. */
static void check_third(const char *folder, const char *file,
                        const char *name) {
    if (one_of(name, strlen(name), system_headers, SYSTEM)) return;
    if (!strcmp(folder, "tests")) return;
    for (int i = 0; i < n_third; i++)
        if (!strcmp(third[i].header, name) && strcmp(third[i].file, file)) {
            printf("%s and ", third[i].file);
            complain(file, "both include", name);
        }
    if (n_third < THIRD) {
        snprintf(third[n_third].header, NAME, "%s", name);
        snprintf(third[n_third++].file, NAME, "%s", file);
    }
}

static void check_includes(const char *folder, const char *file,
                           const char *code) {
    for (const char *p = code; (p = strstr(p, "#include")); p++) {
        char        name[NAME] = "";
        const char *at = p + 8 + strspn(p + 8, " ");
        size_t      length = *at ? strcspn(at + 1, "\">\n") : 0;
        if (length >= NAME) continue;
        memcpy(name, at + 1, length);
        if (*at == '"')
            check_own(folder, file, name);
        else if (*at == '<')
            check_third(folder, file, name);
    }
}

static void check_calls(const char *folder, const char *file,
                        const char *code) {
    bool library = strncmp(folder, "src/cli", 7) && strcmp(folder, "tests");
    for (const char *p = code; *p;) {
        size_t length = 0;
        while (isalnum((unsigned char)p[length]) || p[length] == '_') length++;
        if (!length) {
            p++;
            continue;
        }
        char word[NAME];
        snprintf(word, sizeof word, "%.*s", (int)length, p);
        bool call = p[length + strspn(p + length, " ")] == '(';
        bool member = p > code && (p[-1] == '.' || p[-1] == '>');
        if (call && !member && one_of(p, length, banned, COUNT(banned)))
            complain(file, "calls", word);
        if (library && call && !member &&
            one_of(p, length, banned_in_libraries, COUNT(banned_in_libraries)))
            complain(file, "is library code and calls", word);
        if (library && one_of(p, length, banned_words, COUNT(banned_words)))
            complain(file, "is library code and names", word);
        p += length;
    }
    check_count++;
}

static void check_file(const char *root, const char *folder, const char *name) {
    char path[2 * NAME], file[NAME];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    snprintf(path, sizeof path, "%s/%s", root, file);
    char *text = read_file(path);
    if (!text) {
        complain(file, "cannot be", "read");
        return;
    }
    n_files++;
    check_count++;
    if (!strstr(text, "SPDX-License-Identifier: GPL-3.0-or-later"))
        complain(file, "has no", "SPDX line");
    const char *dot = strrchr(name, '.');
    if (dot && (!strcmp(dot, ".c") || !strcmp(dot, ".h"))) {
        keep_code(text);
        check_includes(folder, file, text);
        check_calls(folder, file, text);
    }
    free(text);
}

static bool is_source(const char *name) {
    static const char *const ends[] = {".c",  ".h",   ".cu",    ".cl",
                                       ".sh", ".sql", ".cmake", ".def"};
    const char              *dot = strrchr(name, '.');
    return dot && one_of(dot, strlen(dot), ends, COUNT(ends));
}

static void check_folder(const char *root, const char *folder) {
    char path[2 * NAME];
    snprintf(path, sizeof path, "%s/%s", root, folder);
    DIR *dir = opendir(path);
    if (!CHECK(dir != NULL)) return;
    for (struct dirent *e; (e = readdir(dir));)
        if (is_source(e->d_name)) check_file(root, folder, e->d_name);
    closedir(dir);
}

/* --- the test of the test ----------------------------------------------- */

static int complaints(const char *folder, const char *source) {
    char code[1024];
    int  before = check_failed, count;
    snprintf(code, sizeof code, "%s", source);
    keep_code(code);
    check_includes(folder, "(on purpose)", code);
    check_calls(folder, "(on purpose)", code);
    count = check_failed - before;
    check_failed = before;
    return count;
}

static void rules_can_be_broken(void) {
    CHECK(complaints("search", "#include \"results/store.h\"\n") == 1);
    CHECK(complaints("search", "#include \"problem.h\"\n") == 1);
    CHECK(complaints("search", "#include \"search/problem.h\"\n") == 0);
    CHECK(complaints("src/quant", "#include \"kernels/arith.h\"\n") == 0);
    CHECK(complaints("src/quant", "#include \"kernels/kernel.h\"\n") == 1);
    CHECK(complaints("hessian", "x = atoi(t); printf (\"abort()\");") == 2);
    CHECK(complaints("hessian", "/* exit(1) */ o.exit(1); fputs(a, stderr);") ==
          1);
    CHECK(complaints("hessian", "// abort()\nmy_abort(); '\"'; abort();") == 1);
    CHECK(complaints("src/cli", "exit(1); stdout") == 0);
}

int main(void) {
    const char *root = getenv("HAWQ_SOURCE");
    if (!CHECK(root != NULL)) DONE();
    rules_can_be_broken();
    for (int i = 0; i < FOLDERS; i++) check_folder(root, folders[i]);
    CHECK(n_files > 50);
    DONE();
}
