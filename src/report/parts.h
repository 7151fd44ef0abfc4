/* parts.h -- the sections of a report; for report.c only. Each writes nothing
 * but a line where its facts are not there.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REPORT_PARTS_H
#define HAWQ_REPORT_PARTS_H
#include "src/report/chart.h"
#include "src/report/html.h"
#include "src/report/report.h"

#include <stdint.h>

typedef struct hawq_report {
    FILE            *out;
    const hawq_page *page;
    hawq_arena      *arena;
    const char      *metric; /* that ranks: measured, or the first there is */
} hawq_report;

/* A value of the analysis; NULL: there is none. candidate NULL: any. */
const hawq_sensitivity_record *hawq_report_value(const hawq_report *r,
                                                 const char *metric, int layer,
                                                 const char *candidate);

/* The candidate whose codes are nearest to so many bits; NULL without any. */
const char *hawq_report_candidate(const hawq_report *r, int bits);

/* Bytes of a layer's weights by a candidate's name; NaN: not known. */
double hawq_report_bytes(const hawq_report *r, int layer,
                         const char *candidate);

/* Of the whole network with one candidate everywhere; NaN: not known. */
double hawq_report_uniform_bytes(const hawq_report *r, const char *candidate);

void hawq_report_heading(const hawq_report *r, const char *text);
/* "Not known yet: COMMAND finds it." */
void hawq_report_missing(const hawq_report *r, const char *what,
                         const char *command);

void        hawq_report_summary(const hawq_report *r);
hawq_status hawq_report_sensitivity(const hawq_report *r);
hawq_status hawq_report_metrics(const hawq_report *r);
hawq_status hawq_report_front(const hawq_report *r);
hawq_status hawq_report_spectrum(const hawq_report *r);
void        hawq_report_weights(const hawq_report *r);
void        hawq_report_layers(const hawq_report *r);
void        hawq_report_energy(const hawq_report *r);

#endif
