/* What Lockstep needs of MPI, in plain scalars. No type of <mpi.h> leaves the shim, so it builds against
   Open MPI, where handles are pointers, and MPICH, where they are integers. Every call returns 0 or an MPI
   error code; lockstep_mpi_message turns a code into words. All calls come from one thread. */
#ifndef LOCKSTEP_MPI_SHIM_H
#define LOCKSTEP_MPI_SHIM_H

#include <stdint.h>

/* Operations of a sum over ranks. */
enum { LOCKSTEP_SUM = 0, LOCKSTEP_MIN = 1, LOCKSTEP_MAX = 2 };
/* Types of its elements. */
enum { LOCKSTEP_INT64 = 0, LOCKSTEP_FLOAT = 1, LOCKSTEP_DOUBLE = 2 };

typedef struct lockstep_mpi lockstep_mpi;
typedef struct lockstep_request lockstep_request;

/* Starts MPI with one thread that talks to it, and duplicates the world with errors returned. */
int lockstep_mpi_start(lockstep_mpi **world);
/* Frees the duplicate and finalises MPI. */
int lockstep_mpi_stop(lockstep_mpi *world);
int lockstep_mpi_rank(const lockstep_mpi *world);
int lockstep_mpi_size(const lockstep_mpi *world);
/* Rank and size among the ranks that share this host's memory. */
int lockstep_mpi_local_rank(const lockstep_mpi *world);
int lockstep_mpi_local_size(const lockstep_mpi *world);
/* Ends every rank of the job with this exit code. Does not return. */
void lockstep_mpi_abort(lockstep_mpi *world, int code);

/* The most elements of one call: MPI counts in int. Longer messages go in pieces. */
#define LOCKSTEP_PIECE (1 << 30)

/* Every collective is started and then tested until it is done, so that the caller can watch the clock while it waits.
   A request is freed by the call of lockstep_mpi_test that finds it done. Collectives start in the same order on
   every rank; the second phase of a two-phase sum (start_spread) has an order of its own. */
int lockstep_mpi_start_barrier(lockstep_mpi *world, lockstep_request **request);
int lockstep_mpi_start_broadcast(lockstep_mpi *world, void *bytes, int64_t count, int root, lockstep_request **request);
/* Every rank contributes count bytes; all ranks receive size * count bytes in rank order. */
int lockstep_mpi_start_gather_all(lockstep_mpi *world, const void *mine, int64_t count, void *all,
                                  lockstep_request **request);
/* Combines in place over ranks. */
int lockstep_mpi_start_reduce(lockstep_mpi *world, void *values, int64_t count, int type, int operation,
                              lockstep_request **request);
/* Rank r receives counts[r] elements from starts[r] on of every rank's values. */
int lockstep_mpi_start_exchange(lockstep_mpi *world, const void *values, const int *counts, const int *starts,
                                void *received, const int *received_counts, const int *received_starts, int type,
                                lockstep_request **request);
/* Rank r's counts[r] elements at starts[r] on every rank, in place. */
int lockstep_mpi_start_spread(lockstep_mpi *world, void *values, const int *counts, const int *starts, int type,
                              lockstep_request **request);
int lockstep_mpi_test(lockstep_request *request, int *done);

/* The blocking sum, whose float result depends on the algorithm that the library was told to use. For controls. */
int lockstep_mpi_reduce_blocking(lockstep_mpi *world, void *values, int64_t count, int type, int operation);

/* Reports between ranks that wait. The memory of a report stays until its request is done. Receiving does not wait:
   from is -1 when there is none. */
int lockstep_mpi_start_report(lockstep_mpi *world, const int64_t *report, int count, int to, lockstep_request **request);
int lockstep_mpi_receive_report(lockstep_mpi *world, int64_t *report, int count, int *from);

/* Writes words for an error code, or the library's version, into text of at least size bytes. */
void lockstep_mpi_message(int code, char *text, int size);
void lockstep_mpi_version(char *text, int size);

#endif
