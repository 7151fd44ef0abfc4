/* data_options.h -- the options that say which images, shared by programs.
 *
 *     .options = {own, hawq_data_rows}
 *     HAWQ_TRY(hawq_data_load(graph, false, &data));
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_DATA_OPTIONS_H
#define HAWQ_DATA_OPTIONS_H
#include "src/cli/kit/cli.h"
#include "src/load/dataset.h"

/* --data --scale --mean --std --skip --limit */
extern const hawq_option hawq_data_rows[];

/* The value of --data, or NULL. */
const char *hawq_data_spec(void);

/* Loads --data with all these options; checks it against the graph unless
 * that is NULL. unlabelled: neither labels nor targets are needed, and data
 * without them is read, too. EINVAL without --data, else what hawq_dataset_load
 * and hawq_dataset_check say. The caller frees *out. */
HAWQ_NODISCARD hawq_status hawq_data_load(const hawq_graph *graph,
                                          bool unlabelled, hawq_dataset *out);

/* The same for other images (a test set) that are scaled alike: --scale,
 * --mean, --std hold, --skip and --limit are the arguments here (0 = none). */
HAWQ_NODISCARD hawq_status hawq_data_load_other(const char *spec, size_t skip,
                                                size_t            limit,
                                                const hawq_graph *graph,
                                                hawq_dataset     *out);

/* What a pixel of value 0 becomes, for each of the channels. */
void hawq_data_black(int channels, real *value);

/* "SPEC --scale 0.5 --limit 100": what was read, in one form whatever the
 * user's order and spelling, for the run's record; NULL if no memory. */
const char *hawq_data_text(hawq_arena *arena);

#endif
