/* fuzz_main.c -- the main of a fuzz target without a fuzzer: every file given,
 * and every file of a folder given, is one input. The name is printed first, so
 * that the last line names what crashed or did not end.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/fuzz.h"

#include <dirent.h>

enum { SECONDS = 10 }; /* that one input may take */
static int replayed;

static int replay_file(const char *path) {
    FILE    *f = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long     n = -1;
    if (f && !fseek(f, 0, SEEK_END)) n = ftell(f);
    if (f) rewind(f);
    /* exactly n bytes, so that a sanitizer sees one read too many */
    if (n >= 0) bytes = malloc(n ? (size_t)n : 1);
    int ok = bytes && fread(bytes, 1, (size_t)n, f) == (size_t)n;
    if (f) fclose(f);
    printf("%s%s\n", path, ok ? "" : ": cannot be read");
    fflush(stdout);
    alarm(SECONDS);
    if (ok) LLVMFuzzerTestOneInput(bytes, (size_t)n);
    alarm(0);
    free(bytes);
    replayed += ok;
    return ok;
}

static int replay_folder(const char *path) {
    char            name[4096];
    int             ok = 1;
    struct dirent **entry;
    int             n = scandir(path, &entry, NULL, alphasort);
    if (n < 0) return replay_file(path);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s/%s", path, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.') ok &= replay_file(name);
        free(entry[i]);
    }
    free(entry);
    return ok;
}

int main(int argc, char **argv) {
    int ok = 1;
    for (int i = 1; i < argc; i++) ok &= replay_folder(argv[i]);
    printf("%d inputs\n", replayed);
    return ok && replayed ? 0 : 1;
}
