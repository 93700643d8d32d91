/* Tells LeakSanitizer what is not our fault: HDF5 1.10 itself loses memory when the checksum of
 * an object header is wrong. (Objects we forget to close are counted by the tests.) Include it in
 * one file of a program. */
#ifndef MD_TESTS_KNOWN_LEAKS_H
#define MD_TESTS_KNOWN_LEAKS_H

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libhdf5";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void) {
    return "print_suppressions=0";
}

#endif
