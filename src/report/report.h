/* report.h -- one page about a network, for people: a self-contained HTML file
 * (figures inline as SVG, no script, nothing from a network), readable on a
 * telephone and in the dark.
 *
 * What it says comes from a hawq_page; a figure whose facts are not there is
 * left out, and a line says which command finds them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REPORT_H
#define HAWQ_REPORT_H
#include "src/base/arena.h"
#include "src/base/page.h"
#include "src/base/status.h"

/* Writes the file anew. The arena is for scratch. EIO; ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_report_write(const char      *path,
                                             const hawq_page *page,
                                             hawq_arena      *arena);

#endif
