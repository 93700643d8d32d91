/* For tests that use HDF5: what is left open, and what is not our fault. Include it in one file of
 * a program. */
#ifndef MD_TESTS_H5_LEAKS_H
#define MD_TESTS_H5_LEAKS_H

#include <hdf5.h>

/* HDF5 1.10 itself loses memory when the checksum of an object header is wrong. Objects that we
 * forget to close are counted by h5_open_since. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libhdf5";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void) {
    return "print_suppressions=0";
}

/* A damaged file makes HDF5 ask for absurd amounts of memory; it takes a no for an answer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

/* HDF5 counts the open objects of a file, but not what belongs to none. Those have identifiers in
 * sequence, so the ones made since an earlier moment can be asked for one by one. */
enum { H5_LOOSE_KINDS = 3 };
struct h5_moment {
    hid_t next[H5_LOOSE_KINDS]; /* data space, data type, property list */
};

static inline struct h5_moment h5_now(void) {
    struct h5_moment now = {
        {H5Screate(H5S_SCALAR), H5Tcopy(H5T_NATIVE_INT), H5Pcreate(H5P_DATASET_CREATE)}};
    H5Sclose(now.next[0]);
    H5Tclose(now.next[1]);
    H5Pclose(now.next[2]);
    return now;
}

/* Number of objects that have been opened since `then` and are open. */
static inline int h5_open_since(const struct h5_moment *then) {
    struct h5_moment now = h5_now();
    int count = (int)H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
    for (int k = 0; k < H5_LOOSE_KINDS; k++)
        for (hid_t id = then->next[k]; id < now.next[k]; id++)
            count += H5Iis_valid(id) > 0;
    return count;
}

/* A test that fails when it leaves an object open. (What a suite's .fini asserts, Criterion
 * prints but does not count.) */
#define H5_TEST(suite, name)                                                                       \
    static void suite##_##name(void);                                                              \
    Test(suite, name) {                                                                            \
        struct h5_moment start = h5_now();                                                         \
        suite##_##name();                                                                          \
        cr_assert_eq(h5_open_since(&start), 0, "an HDF5 object stays open");                       \
    }                                                                                              \
    static void suite##_##name(void)

#endif
