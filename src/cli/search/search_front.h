/* search_front.h -- a front on stdout and as a picture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEARCH_FRONT_H
#define HAWQ_SEARCH_FRONT_H
#include "src/cli/search/search_command.h"

/* The network with one candidate everywhere, pins and budgets ignored. */
typedef struct hawq_uniform_point {
    hawq_width width;
    double     cost, objective;
} hawq_uniform_point;

HAWQ_NODISCARD hawq_status hawq_search_uniforms(const hawq_search *s, int *n,
                                                hawq_uniform_point **out);

/* On stdout, in the form of --format. The table shows at most 24 points, spread
 * along the front, unless all_points; TSV and JSON have all. */
HAWQ_NODISCARD hawq_status hawq_search_report_front(const hawq_search *s,
                                                    const hawq_pareto *front,
                                                    bool all_points);

/* --pareto A,B: finds the surface of two costs and the loss, and prints it. */
HAWQ_NODISCARD hawq_status hawq_search_surface(hawq_search *s);

/* "candidates": one text a layer, into the open object, where candidates have
 * names. */
void hawq_search_json_names(const hawq_search *s, const int *choice,
                            hawq_json *w);

/* A candidate's format, where no other candidate has it with another method;
 * else the name. NULL: no memory. */
const char *hawq_search_short_name(const hawq_search *s, const char *name);

/* "8 8 4", or names where bits leave open which candidate it is; with
 * activations, "8/8 8/8 4/8", where candidates of the same weight
 * bits differ in them. In a table, the short names, and no more layers than 80
 * columns hold, then "...". */
HAWQ_NODISCARD hawq_status hawq_search_bits_text(const hawq_search *s,
                                                 const int *choice, char **out);

/* An SVG file with the front, uniform allocations and baselines. */
HAWQ_NODISCARD hawq_status hawq_search_plot(const hawq_search *s,
                                            const hawq_pareto *front,
                                            const char        *path);

#endif
