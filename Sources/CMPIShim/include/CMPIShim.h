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

int lockstep_mpi_barrier(lockstep_mpi *world);
int lockstep_mpi_broadcast(lockstep_mpi *world, void *bytes, int64_t count, int root);
/* Every rank contributes count bytes; all ranks receive size * count bytes in rank order. */
int lockstep_mpi_gather_all(lockstep_mpi *world, const void *mine, int64_t count, void *all);
int lockstep_mpi_reduce(lockstep_mpi *world, void *values, int64_t count, int type, int operation);

/* Starts a sum in place; the request is freed by the call of lockstep_mpi_test that finds it done. */
int lockstep_mpi_start_sum(lockstep_mpi *world, void *values, int64_t count, int type, lockstep_request **request);
int lockstep_mpi_test(lockstep_request *request, int *done);
int lockstep_mpi_wait(lockstep_request *request);

/* Writes words for an error code, or the library's version, into text of at least size bytes. */
void lockstep_mpi_message(int code, char *text, int size);
void lockstep_mpi_version(char *text, int size);

#endif
