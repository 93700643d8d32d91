/* The program with more memory than the chip has, for jobs that do not fit it. */
#define ARENA_BYTES MD_LARGE_ARENA_BYTES
#define FLASH_BYTES MD_LARGE_FLASH_BYTES
#include "../gap9.c"
