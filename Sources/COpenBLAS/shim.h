/* OpenBLAS's own cblas.h, for sgemm and the calls that name the library's configuration; and the one routine of LAPACK, which
   the same library holds: eigenvalues of a symmetric matrix. Fortran passes the lengths of its character arguments last. */
#include <cblas.h>
#include <stddef.h>
void dsyevd_(
    const char *jobz, const char *uplo, const blasint *n, double *a, const blasint *lda, double *w, double *work, const blasint *lwork,
    blasint *iwork, const blasint *liwork, blasint *info, size_t jobz_length, size_t uplo_length);
