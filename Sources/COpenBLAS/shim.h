/* OpenBLAS's own cblas.h, for sgemm and the calls that name the library's configuration. */
#include <cblas.h>
