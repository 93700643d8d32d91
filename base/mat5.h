/* Numbers from MATLAB's older files (level 5: what `save -v6` and `-v7` write). The format:
 * MathWorks, "MAT-File Format". MATLAB v7.3 files are HDF5: h5.h. */
#ifndef MD_BASE_MAT5_H
#define MD_BASE_MAT5_H

#include <stddef.h>

#include "error.h"

struct md_mat5_array {
    size_t count;
    double *values; /* in MATLAB's order, column by column; owned */
};

/* Reads the real numeric array called `name`, of any of MATLAB's number types. Variables of more
 * than 1 MiB are refused. On failure nothing is left to free. */
int md_mat5_read(const char *path, const char *name, struct md_mat5_array *array,
                 struct md_error *error);
void md_mat5_free(struct md_mat5_array *array);

#endif
