/* comm.c -- the only caller of MPI; alone, nothing has to be said to anybody.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/comm.h"

#ifdef HAWQ_MPI
#include <mpi.h>
#include <stdio.h>

static const MPI_Comm world = MPI_COMM_WORLD;
static int            rank, size = 1;

hawq_status hawq_comm_open(void) {
    int provided;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(world, &rank);
    MPI_Comm_size(world, &size);
    if (provided < MPI_THREAD_FUNNELED)
        return hawq_fail(HAWQ_ESTATE, "this MPI does not allow for threads; "
                                      "install one that does");
    return HAWQ_OK;
}

void hawq_comm_close(void) {
    int begun, ended;
    MPI_Initialized(&begun);
    MPI_Finalized(&ended);
    if (begun && !ended) MPI_Finalize();
}

int hawq_comm_rank(void) {
    return rank;
}

int hawq_comm_size(void) {
    return size;
}

void hawq_comm_broadcast(double *values, size_t n) {
    MPI_Bcast(values, (int)n, MPI_DOUBLE, 0, world);
}

void hawq_comm_gather(double *rows, size_t n) {
    const void *mine = rank ? rows + (size_t)rank * n : MPI_IN_PLACE;
    MPI_Gather(mine, (int)n, MPI_DOUBLE, rows, (int)n, MPI_DOUBLE, 0, world);
}

hawq_status hawq_comm_agree(hawq_status mine) {
    char text[1024];
    int  code = (int)mine, first = mine == HAWQ_OK ? size : rank, lowest;
    MPI_Allreduce(&first, &lowest, 1, MPI_INT, MPI_MIN, world);
    if (lowest == size) return HAWQ_OK;
    snprintf(text, sizeof text, "%s", hawq_message());
    MPI_Bcast(&code, 1, MPI_INT, lowest, world);
    MPI_Bcast(text, sizeof text, MPI_CHAR, lowest, world);
    return hawq_fail((hawq_status)code, "%s", text);
}

#else

hawq_status hawq_comm_open(void) {
    return HAWQ_OK;
}

void hawq_comm_close(void) {
}

int hawq_comm_rank(void) {
    return 0;
}

int hawq_comm_size(void) {
    return 1;
}

void hawq_comm_gather(double *rows, size_t n) {
    (void)rows;
    (void)n;
}

void hawq_comm_broadcast(double *values, size_t n) {
    (void)values;
    (void)n;
}

hawq_status hawq_comm_agree(hawq_status mine) {
    return mine;
}

#endif
