/* rewriting.h -- --rewrite: scales moved between layers before anything is
 * quantized (src/quant/rewrite.h), and the same again where a database keeps
 * how.
 *
 * Whoever finds a rewriting stores it with its run; whoever quantizes or runs
 * an allocation of that run applies it to every copy of the network it has
 * loaded. The hash stays that of the file.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REWRITING_H
#define HAWQ_REWRITING_H
#include "src/cli/kit/allocation.h"
#include "src/quant/rewrite.h"

/* The row of --rewrite for a program's table; pointer: to a const char *. */
#define HAWQ_OPTION_REWRITE(pointer)                                           \
    HAWQ_OPTION_TEXT("rewrite", 0, (pointer), "NAME",                          \
                     "before quantizing move scales between layers, which "    \
                     "leaves the float network's outputs as they are: "        \
                     "equalize, smooth:ALPHA (0 to 1) or awq (default: none)")

/* Finds what `text` (not NULL) asks for on the graph and applies it; a note
 * says what it came to. candidates: n of them, of which awq judges by the one
 * with the most bits that has no more than four. images, x: as in
 * hawq_rewrite_find. What is found lives in the arena. EINVAL: no such rewrite,
 * or a network that was quantized before. */
HAWQ_NODISCARD hawq_status hawq_rewriting_find(
    const hawq_cli *cli, const char *text, hawq_graph *graph,
    hawq_threads *threads, int n, const hawq_candidate *candidate,
    size_t images, const real *x, hawq_arena *arena, hawq_rewriting *out);

/* Applies it to another copy of the network; graph NULL, or no rewriting:
 * nothing. */
HAWQ_NODISCARD hawq_status hawq_rewriting_apply(const hawq_rewriting *rewriting,
                                                hawq_graph           *graph);

/* Into the record of a run that is about to begin, and from one. */
void           hawq_rewriting_put(const hawq_rewriting *rewriting,
                                  hawq_run_record      *record);
hawq_rewriting hawq_rewriting_of(const hawq_run_record *record);

/* Do they leave a network in the same state? */
bool hawq_rewriting_same(const hawq_rewriting *a, const hawq_rewriting *b);

/* Of allocations that are to be run side by side on one network the rewriting
 * that all have that are of the database; those by name go with it. asked:
 * --rewrite, which no allocation of the database goes with; or NULL. EINVAL
 * names two that differ. */
HAWQ_NODISCARD hawq_status
hawq_rewriting_agree(int n, const hawq_allocation *const *allocation,
                     const char *asked, hawq_rewriting *out);

#endif
