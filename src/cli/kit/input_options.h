/* input_options.h -- the options that say what a network's inputs are, shared
 * by programs: those that the file or the data do not tell.
 *
 *     .options = {own, hawq_data_rows, hawq_input_rows}
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_INPUT_OPTIONS_H
#define HAWQ_INPUT_OPTIONS_H
#include "src/cli/kit/cli.h"
#include "src/load/feeds.h"

/* --input --input-shape --class-axis */
extern const hawq_option hawq_input_rows[];

/* --output; and the same as --network-output, for programs whose --output is a
 * file. */
extern const hawq_option hawq_output_rows[], hawq_network_output_rows[];

/* --class-axis; 0 if it was not given. */
int hawq_input_class_axis(void);

/* What they and the arrays of `spec` (NULL: no data) say, in the arena. EINVAL
 * for text that is no shape or value, EIO, EFORMAT. */
HAWQ_NODISCARD hawq_status hawq_input_feeds(const char *spec, hawq_arena *arena,
                                            hawq_feeds *out);

/* " --input a=1 --input-shape x=3x8x8", for the run's record; NULL: no memory.
 */
const char *hawq_input_text(hawq_arena *arena);

#endif
