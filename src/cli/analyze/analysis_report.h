/* analysis_report.h -- what an analysis found, on stdout; what its reader must
 * know besides, as notes on stderr.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ANALYSIS_REPORT_H
#define HAWQ_ANALYSIS_REPORT_H
#include "src/cli/analyze/analysis.h"
#include "src/cli/kit/output.h"

/* Table: layers from most to least sensitive by the first metric at the
 * fewest bits, then rank correlations with `measured`, then activations.
 * TSV and CSV: the layers alone, in order, every number. JSON: the contract of
 * the README. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_analysis_report(hawq_analysis *a);

/* The layers alone, as table or TSV. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_analysis_table(hawq_analysis *a);

/* The rises of activations as a second table (as TSV or CSV, which have room
 * for one: a note where they are), or as the keys "activation_bits",
 * "activation_range" and "activations" of the open object; nothing if none were
 * asked for. */
HAWQ_NODISCARD hawq_status hawq_analysis_print_activations(hawq_analysis *a);
void hawq_analysis_json_activations(const hawq_analysis *a, hawq_json *w);

/* Signal to quantization noise ratio of the network's output in decibel, with
 * only this layer quantized to candidate i; needs the metric sqnr. */
double hawq_analysis_decibel(const hawq_analysis *a, int layer, int i);

/* Spearman correlation of the metric with `measured` over the layers for
 * candidate i; NAN if `measured` is not there or says nothing. work: as many
 * doubles as four times the layers. */
double hawq_analysis_agreement(const hawq_analysis *a, hawq_metric metric,
                               int i, double *work);

#endif
