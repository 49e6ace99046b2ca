#include <lzma.h>

/* A macro with a cast, which Swift does not see. */
enum { CLZMA_CONCATENATED = LZMA_CONCATENATED };
