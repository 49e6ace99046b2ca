/* Of floats, which is what the library of this name is compiled for. Its flags are not taken from pkg-config, because
   the package manager refuses to define macros. */
#define kiss_fft_scalar float
#include <kissfft/kiss_fftr.h>
