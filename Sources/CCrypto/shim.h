/* libcrypto's message digests (SHA-256). */
#include <openssl/evp.h>
