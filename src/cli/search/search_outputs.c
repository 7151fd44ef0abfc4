/* search_outputs.c -- the files that hawq-search writes: none of them is one
 * that it reads, and all can be written before anything is searched or stored.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_command.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The same name, or two names of one file. */
static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    if (!strcmp(a, b)) return true;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* The folder a file of this name lies in; NULL: no memory. */
static const char *folder_of(hawq_search *s, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return ".";
    return slash == path ? "/"
                         : hawq_arena_string_n(&s->cli->arena, path,
                                               (size_t)(slash - path));
}

static hawq_status check_writable(hawq_search *s, const char *path) {
    struct stat about;
    const char *folder = folder_of(s, path);
    if (!folder) return HAWQ_ENOMEM;
    bool exists = !stat(path, &about);
    if (exists && !S_ISREG(about.st_mode))
        return hawq_fail(HAWQ_EIO, "%s: cannot be written: not a regular file",
                         path);
    if (access(folder, W_OK | X_OK) || (exists && access(path, W_OK)))
        return hawq_fail(HAWQ_EIO, "%s: cannot be written: %s", path,
                         strerror(errno));
    return HAWQ_OK;
}

hawq_status hawq_search_check_outputs(hawq_search *s, int n,
                                      const hawq_search_output *output) {
    const struct {
        const char *what, *path;
    } input[] = {{"the model", s->cli->n_args ? s->cli->arg[0] : NULL},
                 {"the database", s->cli->db},
                 {"the problem", s->problem_path},
                 {"the file of --score", s->score_path}};
    for (int i = 0; i < n; i++) {
        const char *path = output[i].path;
        for (int j = 0; j < 4; j++)
            if (input[j].path && same_file(path, input[j].path))
                return hawq_fail(HAWQ_EINVAL,
                                 "%s: %s is %s, which would be overwritten; "
                                 "give another name",
                                 output[i].option, path, input[j].what);
        for (int j = 0; j < i; j++)
            if (same_file(path, output[j].path))
                return hawq_fail(HAWQ_EINVAL, "%s and %s both write %s",
                                 output[j].option, output[i].option, path);
    }
    for (int i = 0; i < n; i++) HAWQ_TRY(check_writable(s, output[i].path));
    return HAWQ_OK;
}
