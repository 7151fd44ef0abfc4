/* benchmark_report.h -- what a benchmark found, on stdout.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_BENCHMARK_REPORT_H
#define HAWQ_BENCHMARK_REPORT_H
#include "src/cli/bench/benchmark_require.h"

/* In the format of the command line, once it is measured and stored: for people
 * a table of worth, one of times and, with a baseline, one of changes; for
 * programs one table of everything, or JSON. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_benchmark_report(const hawq_benchmark *b,
                                                 const hawq_gate      *gate);

#endif
