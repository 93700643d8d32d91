/* XXH3-128 of data, as text. */
#ifndef MD_BASE_DIGEST_H
#define MD_BASE_DIGEST_H

#include <stdio.h>
#include <xxhash.h>

enum { MD_DIGEST_SIZE = 33 };

/* Writes a hash as 32 hexadecimal digits, ended by a zero. */
static inline void md_digest_text(XXH128_hash_t hash, char text[MD_DIGEST_SIZE]) {
    snprintf(text, MD_DIGEST_SIZE, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

#endif
