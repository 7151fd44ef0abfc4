/* page.c -- see page.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/page.h"

#include "results/page.h"
#include "src/report/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    if (!strcmp(a, b)) return true;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

hawq_status hawq_page_check(const hawq_cli *cli, const char *path) {
    if (!path) return HAWQ_OK;
    if (same_file(path, cli->db) ||
        (cli->n_args && same_file(path, cli->arg[0])))
        return hawq_fail(HAWQ_EINVAL,
                         "--report: %s is an input, which would be "
                         "overwritten; give another name",
                         path);
    FILE *file = fopen(path, "ab");
    if (!file)
        return hawq_fail(HAWQ_EIO, "--report: %s cannot be written: %s", path,
                         strerror(errno));
    fclose(file);
    return HAWQ_OK;
}

hawq_status hawq_page_write(const hawq_cli *cli, hawq_store *store,
                            const char *hash, const char *path) {
    hawq_arena  arena = {0};
    hawq_page   page;
    hawq_status status = hawq_store_load_page(store, hash, &arena, &page);
    if (status == HAWQ_OK) {
        if (!page.model) page.model = cli->arg[0];
        status = hawq_report_write(path, &page, &arena);
    }
    hawq_arena_free(&arena);
    if (status == HAWQ_OK) hawq_cli_note(cli, "%s: the page is written", path);
    return status;
}
