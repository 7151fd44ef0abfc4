/* train_checkpoint.c -- see train_checkpoint.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/train/train_checkpoint.h"

#include "src/load/file.h"

#include <string.h>

static const char magic[] = "hawq-train checkpoint 1\n";
enum { MAGIC = sizeof magic - 1 };

/* Behind the magic; then the identity, the parameters, the velocity, and the
 * checksum of all that. */
typedef struct head {
    uint64_t identity, epoch, n, real_bytes;
} head;

static uint64_t checksum(const char *bytes, size_t n) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

static size_t body_bytes(const head *h) {
    return MAGIC + sizeof *h + h->identity +
           h->n * (h->real_bytes + sizeof(double));
}

static char *put(char *at, const void *from, size_t n) {
    memcpy(at, from, n);
    return at + n;
}

static const char *get(const char *at, void *to, size_t n) {
    memcpy(to, at, n);
    return at + n;
}

/* --- writing -------------------------------------------------------------- */

static hawq_status write(const char *path, const char *identity,
                         const hawq_graph *graph, const hawq_train_state *state,
                         hawq_arena *arena) {
    hawq_selection at;
    char          *bytes, *end;
    HAWQ_TRY(hawq_select_parameters(graph, arena, &at));
    head h = {strlen(identity), (uint64_t)state->epoch, state->n, sizeof(real)};
    size_t n = body_bytes(&h);
    HAWQ_TAKE(bytes, arena, n + sizeof(uint64_t));
    end = put(bytes, magic, MAGIC);
    end = put(end, &h, sizeof h);
    end = put(end, identity, h.identity);
    for (int t = 0; t < at.n; t++)
        end = put(end, at.tensor[t]->data, at.tensor[t]->n * sizeof(real));
    end = put(end, state->velocity, state->n * sizeof *state->velocity);
    uint64_t sum = checksum(bytes, n);
    put(end, &sum, sizeof sum);
    return hawq_file_write(path, bytes, n + sizeof sum);
}

hawq_status hawq_checkpoint_write(const char *path, const char *identity,
                                  const hawq_graph       *graph,
                                  const hawq_train_state *state) {
    hawq_arena  arena = {0};
    hawq_status status = write(path, identity, graph, state, &arena);
    hawq_arena_free(&arena);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", path);
}

/* --- reading -------------------------------------------------------------- */

/* Whole and unharmed; then *h is its head. */
static bool is_sound(const char *bytes, size_t n, head *h) {
    uint64_t sum;
    if (n < MAGIC + sizeof *h + sizeof sum || memcmp(bytes, magic, MAGIC))
        return false;
    get(bytes + MAGIC, h, sizeof *h);
    get(bytes + n - sizeof sum, &sum, sizeof sum);
    return checksum(bytes, n - sizeof sum) == sum &&
           body_bytes(h) + sizeof sum == n;
}

/* The first line in which two identities differ. */
static hawq_status refuse(hawq_arena *arena, const char *theirs,
                          const char *ours) {
    while (*theirs && *ours) {
        size_t n = strcspn(theirs, "\n"), m = strcspn(ours, "\n");
        if (n != m || memcmp(theirs, ours, n)) break;
        theirs += n + (theirs[n] == '\n');
        ours += m + (ours[m] == '\n');
    }
    const char *a = hawq_arena_string_n(arena, theirs, strcspn(theirs, "\n"));
    const char *b = hawq_arena_string_n(arena, ours, strcspn(ours, "\n"));
    if (!a || !b) return HAWQ_ENOMEM;
    return hawq_fail(HAWQ_EINVAL,
                     "is of another training: there '%s', here '%s'; give the "
                     "same options, or start without --resume",
                     a, b);
}

static hawq_status take(const char *bytes, size_t size, const char *identity,
                        hawq_graph *graph, hawq_arena *arena,
                        hawq_train_state *out) {
    hawq_selection at;
    head           h;
    double        *velocity;
    if (!is_sound(bytes, size, &h))
        return hawq_fail(HAWQ_EFORMAT,
                         "is no checkpoint, or damaged; start without "
                         "--resume");
    const char *from = bytes + MAGIC + sizeof h;
    const char *theirs = hawq_arena_string_n(arena, from, h.identity);
    if (!theirs) return HAWQ_ENOMEM;
    if (strcmp(theirs, identity)) return refuse(arena, theirs, identity);
    HAWQ_TRY(hawq_select_parameters(graph, arena, &at));
    if (h.n != hawq_selection_total(&at) || h.real_bytes != sizeof(real))
        return hawq_fail(HAWQ_EINVAL, "is of another build of hawq-train");
    HAWQ_TAKE(velocity, arena, h.n);
    from += h.identity;
    for (int t = 0; t < at.n; t++)
        from = get(from, at.tensor[t]->data, at.tensor[t]->n * sizeof(real));
    get(from, velocity, h.n * sizeof *velocity);
    *out = (hawq_train_state){(int)h.epoch, h.n, velocity};
    return HAWQ_OK;
}

static hawq_status read(const char *path, const char *identity,
                        hawq_graph *graph, hawq_arena *arena,
                        hawq_train_state *out) {
    uint64_t size;
    char    *bytes;
    HAWQ_TRY(hawq_file_size(path, &size));
    HAWQ_TAKE(bytes, arena, size);
    HAWQ_TRY(hawq_file_read(path, 0, size, bytes));
    return take(bytes, size, identity, graph, arena, out);
}

hawq_status hawq_checkpoint_read(const char *path, const char *identity,
                                 hawq_graph *graph, hawq_arena *arena,
                                 hawq_train_state *out) {
    hawq_status status = read(path, identity, graph, arena, out);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", path);
}
