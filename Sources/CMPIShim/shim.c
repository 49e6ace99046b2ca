#include "CMPIShim.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

struct lockstep_mpi {
  /* Sums and everything else; the second halves of two-phase sums; reports of ranks that wait. Collectives of one
     communicator must start in the same order on every rank, so what may interleave differently has its own. */
  MPI_Comm world, spread, reports;
  int rank, size, local_rank, local_size;
};

struct lockstep_request {
  MPI_Request request;
};

static MPI_Datatype datatype(int type) {
  return type == LOCKSTEP_INT64 ? MPI_INT64_T : type == LOCKSTEP_FLOAT ? MPI_FLOAT : MPI_DOUBLE;
}

static MPI_Op operation_of(int operation) {
  return operation == LOCKSTEP_SUM ? MPI_SUM : operation == LOCKSTEP_MIN ? MPI_MIN : MPI_MAX;
}

static int duplicate(MPI_Comm *copy) {
  int code = MPI_Comm_dup(MPI_COMM_WORLD, copy);
  return code == MPI_SUCCESS ? MPI_Comm_set_errhandler(*copy, MPI_ERRORS_RETURN) : code;
}

int lockstep_mpi_start(lockstep_mpi **out) {
  int provided = 0, initialized = 0;
  int code = MPI_Initialized(&initialized);
  if (code != MPI_SUCCESS) return code;
  if (!initialized) {
    code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (code != MPI_SUCCESS) return code;
    if (provided < MPI_THREAD_FUNNELED) return MPI_ERR_OTHER;
  }
  lockstep_mpi *world = calloc(1, sizeof *world);
  if (!world) return MPI_ERR_NO_MEM;
  code = duplicate(&world->world);
  if (code == MPI_SUCCESS) code = duplicate(&world->spread);
  if (code == MPI_SUCCESS) code = duplicate(&world->reports);
  if (code == MPI_SUCCESS) code = MPI_Comm_rank(world->world, &world->rank);
  if (code == MPI_SUCCESS) code = MPI_Comm_size(world->world, &world->size);
  MPI_Comm local = MPI_COMM_NULL;
  if (code == MPI_SUCCESS)
    code = MPI_Comm_split_type(world->world, MPI_COMM_TYPE_SHARED, world->rank, MPI_INFO_NULL, &local);
  if (code == MPI_SUCCESS) code = MPI_Comm_rank(local, &world->local_rank);
  if (code == MPI_SUCCESS) code = MPI_Comm_size(local, &world->local_size);
  if (code == MPI_SUCCESS) code = MPI_Comm_free(&local);
  if (code != MPI_SUCCESS) {
    free(world);
    return code;
  }
  *out = world;
  return MPI_SUCCESS;
}

int lockstep_mpi_stop(lockstep_mpi *world) {
  int code = MPI_Comm_free(&world->reports);
  if (code == MPI_SUCCESS) code = MPI_Comm_free(&world->spread);
  if (code == MPI_SUCCESS) code = MPI_Comm_free(&world->world);
  free(world);
  if (code != MPI_SUCCESS) return code;
  return MPI_Finalize();
}

int lockstep_mpi_rank(const lockstep_mpi *world) { return world->rank; }
int lockstep_mpi_size(const lockstep_mpi *world) { return world->size; }
int lockstep_mpi_local_rank(const lockstep_mpi *world) { return world->local_rank; }
int lockstep_mpi_local_size(const lockstep_mpi *world) { return world->local_size; }

void lockstep_mpi_abort(lockstep_mpi *world, int code) {
  MPI_Abort(world->world, code);
  exit(code);
}

/* Wraps the request that a non-blocking call gave. */
static int wrap(int code, MPI_Request posted, lockstep_request **out) {
  if (code != MPI_SUCCESS) return code;
  lockstep_request *request = malloc(sizeof *request);
  if (!request) return MPI_ERR_NO_MEM;
  request->request = posted;
  *out = request;
  return MPI_SUCCESS;
}

int lockstep_mpi_start_barrier(lockstep_mpi *world, lockstep_request **out) {
  MPI_Request posted = MPI_REQUEST_NULL;
  int code = MPI_Ibarrier(world->world, &posted);
  return wrap(code, posted, out);
}

int lockstep_mpi_start_broadcast(lockstep_mpi *world, void *bytes, int64_t count, int root, lockstep_request **out) {
  if (count > LOCKSTEP_PIECE) return MPI_ERR_COUNT;
  MPI_Request posted = MPI_REQUEST_NULL;
  int code = MPI_Ibcast(bytes, (int)count, MPI_BYTE, root, world->world, &posted);
  return wrap(code, posted, out);
}

int lockstep_mpi_start_gather_all(lockstep_mpi *world, const void *mine, int64_t count, void *all,
                                  lockstep_request **out) {
  if (count > LOCKSTEP_PIECE) return MPI_ERR_COUNT;
  MPI_Request posted = MPI_REQUEST_NULL;
  int code = MPI_Iallgather(mine, (int)count, MPI_BYTE, all, (int)count, MPI_BYTE, world->world, &posted);
  return wrap(code, posted, out);
}

int lockstep_mpi_start_reduce(lockstep_mpi *world, void *values, int64_t count, int type, int operation,
                              lockstep_request **out) {
  if (count > LOCKSTEP_PIECE) return MPI_ERR_COUNT;
  MPI_Request posted = MPI_REQUEST_NULL;
  int code = MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, datatype(type), operation_of(operation), world->world, &posted);
  return wrap(code, posted, out);
}

int lockstep_mpi_reduce_blocking(lockstep_mpi *world, void *values, int64_t count, int type, int operation) {
  if (count > LOCKSTEP_PIECE) return MPI_ERR_COUNT;
  return MPI_Allreduce(MPI_IN_PLACE, values, (int)count, datatype(type), operation_of(operation), world->world);
}

int lockstep_mpi_start_exchange(lockstep_mpi *world, const void *values, const int *counts, const int *starts,
                                void *received, const int *received_counts, const int *received_starts, int type,
                                lockstep_request **out) {
  MPI_Request posted = MPI_REQUEST_NULL;
  int code = MPI_Ialltoallv(values, counts, starts, datatype(type), received, received_counts, received_starts,
                            datatype(type), world->world, &posted);
  return wrap(code, posted, out);
}

int lockstep_mpi_start_spread(lockstep_mpi *world, void *values, const int *counts, const int *starts, int type,
                              lockstep_request **out) {
  MPI_Request posted = MPI_REQUEST_NULL;
  int code = MPI_Iallgatherv(MPI_IN_PLACE, 0, datatype(type), values, counts, starts, datatype(type), world->spread, &posted);
  return wrap(code, posted, out);
}

int lockstep_mpi_start_report(lockstep_mpi *world, const int64_t *report, int count, int to, lockstep_request **out) {
  MPI_Request posted = MPI_REQUEST_NULL;
  int code = MPI_Isend(report, count, MPI_INT64_T, to, 0, world->reports, &posted);
  return wrap(code, posted, out);
}

int lockstep_mpi_receive_report(lockstep_mpi *world, int64_t *report, int count, int *from) {
  int waiting = 0;
  MPI_Status status;
  *from = -1;
  int code = MPI_Iprobe(MPI_ANY_SOURCE, 0, world->reports, &waiting, &status);
  if (code != MPI_SUCCESS || !waiting) return code;
  code = MPI_Recv(report, count, MPI_INT64_T, status.MPI_SOURCE, 0, world->reports, MPI_STATUS_IGNORE);
  if (code == MPI_SUCCESS) *from = status.MPI_SOURCE;
  return code;
}

int lockstep_mpi_test(lockstep_request *request, int *done) {
  int code = MPI_Test(&request->request, done, MPI_STATUS_IGNORE);
  if (code != MPI_SUCCESS || *done) free(request);
  return code;
}

void lockstep_mpi_message(int code, char *text, int size) {
  char words[MPI_MAX_ERROR_STRING + 1];
  int length = 0;
  if (MPI_Error_string(code, words, &length) != MPI_SUCCESS) length = 0;
  words[length] = 0;
  strncpy(text, words, (size_t)size - 1);
  text[size - 1] = 0;
}

void lockstep_mpi_version(char *text, int size) {
  char words[MPI_MAX_LIBRARY_VERSION_STRING + 1];
  int length = 0;
  if (MPI_Get_library_version(words, &length) != MPI_SUCCESS) length = 0;
  words[length] = 0;
  strncpy(text, words, (size_t)size - 1);
  text[size - 1] = 0;
}
