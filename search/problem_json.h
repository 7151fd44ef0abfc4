/* problem_json.h -- allocation problems as files, so that the solvers work on
 * anybody's tables.
 *
 *     {"layers": [
 *        {"name": "conv1",
 *         "group": "stem",            optional: layers with the same text get
 *                                     the same candidate
 *         "activation_group": "x",    optional: layers with the same text get
 *                                     candidates of the same activation_bits
 *         "params": 1728,             optional: lets the mean bits be reported
 *         "candidates": [
 *            {"weight_bits": 4, "activation_bits": 8, "loss": 0.013,
 *             "cost": {"weight-size": 864, "bops": 3538944}}, ...]}, ...],
 *      "budgets": {"weight-size": 40000},                       optional
 *      "interactions": [["conv1", 0, 3, 1, -0.02], ...]}        optional
 *
 * An interaction is [layer, candidate, layer, candidate, value]: a layer is its
 * name or its place in "layers", a candidate its place in the layer's
 * "candidates", both counted from 0. The value, of any sign, is added to the
 * loss of every allocation with both. No pair may come twice, in either order.
 *
 * Any names of costs; all candidates have the same ones. Costs, losses and
 * budgets are plain numbers in whatever unit the author likes. A key that is
 * not listed here is an error, so that a misspelt one is seen, unless its
 * value is a text: a remark.
 *
 * An exported file also says what was found: "weight_bits" and
 * "activation_bits" in every layer, and "allocation": {"state", "solver",
 * "objective", "bound"}. Reading passes over them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PROBLEM_JSON_H
#define HAWQ_PROBLEM_JSON_H
#include "search/solve.h"
#include "src/base/record.h"

/* A problem that is not finished, with the file's budgets; the caller frees
 * it. EIO: cannot be read; EFORMAT, ENONFINITE: the sentence has the path and
 * the line, or the layer and the key. */
HAWQ_NODISCARD hawq_status hawq_problem_read(const char    *path,
                                             hawq_problem **out);

/* The same from n bytes of text; `name` stands for the path. */
HAWQ_NODISCARD hawq_status hawq_problem_parse(const char *name,
                                              const char *text, size_t n,
                                              hawq_problem **out);

/* Writes a finished problem with its budgets and, where the solution (may be
 * NULL) has one, the allocation. Replaces the file only when all is written.
 * EIO; ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_problem_write(const char          *path,
                                              const hawq_problem  *problem,
                                              const hawq_solution *solution);

#endif
