/* page.h -- --report FILE.html: the page about a network, the same from every
 * program, with all that the database has.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_KIT_PAGE_H
#define HAWQ_KIT_PAGE_H
#include "results/store.h"
#include "src/cli/kit/cli.h"

#define HAWQ_REPORT_OPTION(pointer)                                            \
    HAWQ_OPTION_TEXT("report", 0, pointer, "FILE.html",                        \
                     "write a page with figures of all that the database "     \
                     "knows of the model")

/* Can the page be written, and is it no other file? path NULL: nothing to
 * check. EINVAL, EIO. */
HAWQ_NODISCARD hawq_status hawq_page_check(const hawq_cli *cli,
                                           const char     *path);

/* Writes it. EIO, or what the store says. */
HAWQ_NODISCARD hawq_status hawq_page_write(const hawq_cli *cli,
                                           hawq_store *store, const char *hash,
                                           const char *path);

#endif
