/* benchmark_require.h -- the gate of a build server: limits that the figures
 * of a benchmark must keep, and an earlier benchmark they are compared with.
 *
 *     accuracy-drop<=0.01  weight-size<=60KiB  latency<=1.1x  agreement>=0.99
 *
 * A requirement is met by a figure that was measured and keeps the limit; it
 * counts for every allocation of the report. A limit in x is a multiple of the
 * baseline's figure or, without a baseline, of the uniform 8-bit network's.
 *
 * Legal order: hawq_gate_open; hawq_gate_compare once the benchmark is
 * prepared; the others once it is measured.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_BENCHMARK_REQUIRE_H
#define HAWQ_BENCHMARK_REQUIRE_H
#include "src/cli/bench/benchmark.h"
#include "src/cli/kit/output.h"

typedef struct hawq_requirement {
    const char               *text; /* as it was given */
    const struct hawq_figure *figure;
    bool                      at_most; /* "<="; else ">=" */
    hawq_quantity             limit;
} hawq_requirement;

typedef struct hawq_gate {
    int                   n;
    hawq_requirement     *requirement;
    int64_t               baseline; /* id of a benchmark, 0: none */
    hawq_benchmark_record earlier;  /* that benchmark ... */
    hawq_run_record       run;      /* ... and the run that measured it */
} hawq_gate;

/* Reads the requirements, and benchmark number `baseline`, unless 0, from the
 * database. Memory is the cli's arena. EINVAL: a requirement that cannot be
 * read, or no such benchmark; else what opening the database says. */
HAWQ_NODISCARD hawq_status hawq_gate_open(hawq_cli         *cli,
                                          const hawq_texts *requirements,
                                          int baseline, hawq_gate *out);

/* Notes what differs from the baseline's run but its bits. EINVAL: batches of
 * another size, whose times tell nothing about each other. */
HAWQ_NODISCARD hawq_status hawq_gate_compare(const hawq_gate      *gate,
                                             const hawq_benchmark *b);

/* One line on stderr for each requirement that an allocation misses, by how
 * much; then the program's exit code is HAWQ_EXIT_MISSED. */
void hawq_gate_judge(const hawq_gate *gate, const hawq_benchmark *b);

/* Of one allocation: "requirements" and "baseline", where they were given. */
void hawq_gate_json(const hawq_gate *gate, const hawq_benchmark *b,
                    const hawq_contender *c, hawq_json *w);

/* What changed since the baseline, as columns of a table: names for programs
 * or for people, and the cells of one allocation. */
enum { HAWQ_GATE_COLUMNS = 7 };
void hawq_gate_columns(bool short_names, const char *name[HAWQ_GATE_COLUMNS]);
void hawq_gate_cells(const hawq_gate *gate, const hawq_contender *c,
                     hawq_table *t);

#endif
