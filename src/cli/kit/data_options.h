/* data_options.h -- the options that say which images, shared by programs.
 *
 *     .options = {own, hawq_data_rows}
 *     HAWQ_TRY(hawq_data_load(graph, HAWQ_LABELS_NEEDED, &data));
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_DATA_OPTIONS_H
#define HAWQ_DATA_OPTIONS_H
#include "src/cli/kit/cli.h"
#include "src/load/dataset.h"

/* --data --scale --mean --std --skip --limit */
extern const hawq_option hawq_data_rows[];

/* --data alone, for programs that read no images. */
extern const hawq_option hawq_data_spec_rows[];

/* The value of --data, or NULL. */
const char *hawq_data_spec(void);

/* Loads --data with all these options; checks that the graph can be run on it
 * unless that is NULL. EINVAL without --data, else what hawq_dataset_load and
 * hawq_dataset_check say. The caller frees *out. */
HAWQ_NODISCARD hawq_status hawq_data_load(const hawq_graph *graph,
                                          hawq_labelling    want,
                                          hawq_dataset     *out);

/* The same for other images (a test set) that are scaled alike: --scale,
 * --mean, --std hold, limit (0 = none) is in place of --skip and --limit. */
HAWQ_NODISCARD hawq_status hawq_data_load_other(const char *spec, size_t limit,
                                                const hawq_graph *graph,
                                                hawq_labelling    want,
                                                hawq_dataset     *out);

/* Images in a batch where the data has n: --NAME as given, else `normal` or, if
 * there are fewer, all of them, which a note says. EINVAL if more are asked
 * for than there are. given: 0 if the option was not. */
HAWQ_NODISCARD hawq_status hawq_data_batch(const hawq_cli *cli, size_t n,
                                           int given, int normal, int *out);

/* What a pixel of value 0 becomes, for each of the channels. */
void hawq_data_black(int channels, real *value);

/* "SPEC --scale 0.5 --limit 100": what was read, in one form whatever the
 * user's order and spelling, for the run's record; NULL if no memory. */
const char *hawq_data_text(hawq_arena *arena);

#endif
