/* What the two halves of the HDF5 layer, data sets and attributes, share. */
#ifndef MD_DATASETS_H5_INTERNAL_H
#define MD_DATASETS_H5_INTERNAL_H

#include "h5.h"

/* Switches HDF5's own error printing off. */
void md_h5_be_quiet(void);

/* Fails with "FILE: WHAT 'NAME': cannot DEED (HDF5: cause)"; `file` may be any object in it. */
int md_h5_blame(struct md_error *error, hid_t file, const char *what, const char *name,
                const char *deed);

/* Fails with "FILE: WHAT 'NAME': REASON". */
int md_h5_refuse(struct md_error *error, hid_t file, const char *what, const char *name,
                 const char *reason);

/* Fails unless every chunk of the chunked data set is there and unpacks to its full size. */
int md_h5_check_chunks(hid_t file, const char *name, hid_t data, hid_t space,
                       struct md_error *error);

#endif
