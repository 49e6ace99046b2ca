/* Nothing to import: only CMPIShim includes <mpi.h>. This target carries the flags of pkg-config. */
