/* program.h -- runs one of our programs from a test, in a scratch folder.
 *
 *     program_open();                     now in an empty folder
 *     program_step("hawq-search ...", 0)  runs, checks the exit code
 *     program_out, program_err            what it wrote
 *     program_close();
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_PROGRAM_H
#define HAWQ_TESTS_PROGRAM_H
#include "tests/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROGRAM_TEXT = 1 << 18, PROGRAM_ARGS = 40 };
static char program_folder[] = "/tmp/hawq-program-XXXXXX";
static char program_out[PROGRAM_TEXT], program_err[PROGRAM_TEXT];

static inline void program_slurp(const char *name, char *text) {
    FILE  *f = fopen(name, "rb");
    size_t n = f ? fread(text, 1, PROGRAM_TEXT - 1, f) : 0;
    text[n] = '\0';
    if (f) fclose(f);
}

static inline bool program_open(void) {
    return getenv("HAWQ_BUILD") && mkdtemp(program_folder) &&
           !chdir(program_folder);
}

static inline void program_close(void) {
    DIR *dir = opendir(".");
    if (!dir) return;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') unlink(e->d_name);
    closedir(dir);
    CHECK(chdir("/") == 0 && rmdir(program_folder) == 0);
}

static inline bool program_built(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("HAWQ_BUILD"), name);
    if (!access(path, X_OK)) return true;
    printf("skipped: %s is not built\n", name);
    return false;
}

static inline void program_redirect(const char *name, int to) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || dup2(fd, to) < 0) _exit(126);
    close(fd);
}

/* Starts the command, which is cut at blanks; no quoting. */
static inline pid_t program_start(const char *text) {
    char command[2048], path[4096], *argv[PROGRAM_ARGS];
    int  n = 0;
    snprintf(command, sizeof command, "%s", text);
    for (char *at = strtok(command, " "); at && n < PROGRAM_ARGS - 1;
         at = strtok(NULL, " "))
        argv[n++] = at;
    argv[n] = NULL;
    snprintf(path, sizeof path, "%s/%s", getenv("HAWQ_BUILD"), argv[0]);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL); /* ignored where a shell runs us behind */
        program_redirect("stdout.txt", STDOUT_FILENO);
        program_redirect("stderr.txt", STDERR_FILENO);
        execv(path, argv);
        _exit(127);
    }
    return child;
}

/* Waits for its end. Returns the exit code, or 128 + the signal, or -1. */
static inline int program_end(pid_t child) {
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    program_slurp("stdout.txt", program_out);
    program_slurp("stderr.txt", program_err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int program_run(const char *text) {
    return program_end(program_start(text));
}

static inline void program_show(const char *command) {
    printf("    %s\n    stdout: %.3000s\n    stderr: %.3000s\n", command,
           program_out, program_err);
}

static inline bool program_step(const char *command, int want) {
    int code = program_run(command);
    if (CHECK(code == want)) return true;
    printf("    exit %d\n", code);
    program_show(command);
    return false;
}

/* The command ends with this code and has this text on stdout or stderr. */
static inline bool program_says(const char *command, int want,
                                const char *text) {
    if (!program_step(command, want)) return false;
    if (CHECK(strstr(program_out, text) || strstr(program_err, text)))
        return true;
    printf("    expected: %s\n", text);
    program_show(command);
    return false;
}

#endif
