#include "CMPIShim.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

struct lockstep_mpi {
  MPI_Comm world;
  int rank, size, local_rank, local_size;
};

struct lockstep_request {
  MPI_Request request;
};

/* MPI counts in int; longer messages go in pieces of this many elements. */
#define PIECE (1 << 30)

static MPI_Datatype datatype(int type) {
  return type == LOCKSTEP_INT64 ? MPI_INT64_T : type == LOCKSTEP_FLOAT ? MPI_FLOAT : MPI_DOUBLE;
}

static int64_t element_size(int type) { return type == LOCKSTEP_FLOAT ? 4 : 8; }

static MPI_Op operation_of(int operation) {
  return operation == LOCKSTEP_SUM ? MPI_SUM : operation == LOCKSTEP_MIN ? MPI_MIN : MPI_MAX;
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
  code = MPI_Comm_dup(MPI_COMM_WORLD, &world->world);
  if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(world->world, MPI_ERRORS_RETURN);
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
  int code = MPI_Comm_free(&world->world);
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

int lockstep_mpi_barrier(lockstep_mpi *world) { return MPI_Barrier(world->world); }

int lockstep_mpi_broadcast(lockstep_mpi *world, void *bytes, int64_t count, int root) {
  int code = MPI_SUCCESS;
  for (int64_t done = 0; done < count && code == MPI_SUCCESS; done += PIECE) {
    int piece = (int)(count - done < PIECE ? count - done : PIECE);
    code = MPI_Bcast((char *)bytes + done, piece, MPI_BYTE, root, world->world);
  }
  return code;
}

int lockstep_mpi_gather_all(lockstep_mpi *world, const void *mine, int64_t count, void *all) {
  if (count > PIECE) return MPI_ERR_COUNT;
  return MPI_Allgather(mine, (int)count, MPI_BYTE, all, (int)count, MPI_BYTE, world->world);
}

int lockstep_mpi_reduce(lockstep_mpi *world, void *values, int64_t count, int type, int operation) {
  int code = MPI_SUCCESS;
  for (int64_t done = 0; done < count && code == MPI_SUCCESS; done += PIECE) {
    int piece = (int)(count - done < PIECE ? count - done : PIECE);
    code = MPI_Allreduce(MPI_IN_PLACE, (char *)values + done * element_size(type), piece, datatype(type),
                         operation_of(operation), world->world);
  }
  return code;
}

int lockstep_mpi_start_sum(lockstep_mpi *world, void *values, int64_t count, int type, lockstep_request **out) {
  if (count > PIECE) return MPI_ERR_COUNT;
  lockstep_request *request = malloc(sizeof *request);
  if (!request) return MPI_ERR_NO_MEM;
  int code = MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, datatype(type), MPI_SUM, world->world, &request->request);
  if (code != MPI_SUCCESS) {
    free(request);
    return code;
  }
  *out = request;
  return MPI_SUCCESS;
}

int lockstep_mpi_test(lockstep_request *request, int *done) {
  int code = MPI_Test(&request->request, done, MPI_STATUS_IGNORE);
  if (code != MPI_SUCCESS || *done) free(request);
  return code;
}

int lockstep_mpi_wait(lockstep_request *request) {
  int code = MPI_Wait(&request->request, MPI_STATUS_IGNORE);
  free(request);
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
