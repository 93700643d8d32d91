#include "h5_internal.h"

#include <stdio.h>

/* HDF5 keeps a stack of what went wrong; walked upwards, the first entry is the cause. */
static herr_t copy_cause(unsigned depth, const H5E_error2_t *entry, void *cause) {
    if (depth == 0)
        snprintf(cause, 200, "%s", entry->desc);
    return 0;
}

void md_h5_find_cause(char cause[200]) {
    snprintf(cause, 200, "no cause given");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, copy_cause, cause);
}

int md_h5_blame(struct md_error *error, hid_t file, const char *what, const char *name,
                const char *deed) {
    char cause[200], path[400] = "?";
    md_h5_find_cause(cause);
    H5Fget_name(file, path, sizeof path);
    return md_fail(error, MD_FAILED, "%s: %s '%s': cannot %s (HDF5: %s)", path, what, name, deed,
                   cause);
}

int md_h5_refuse(struct md_error *error, hid_t file, const char *what, const char *name,
                 const char *reason) {
    char path[400] = "?";
    H5Fget_name(file, path, sizeof path);
    return md_fail(error, MD_FAILED, "%s: %s '%s': %s", path, what, name, reason);
}

void md_h5_be_quiet(void) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}
