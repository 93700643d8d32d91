/* The doors of the single data sets, used by sample.c only: each appends the samples that spec
 * names (without the "[a:b]" cut) to an empty dataset whose height and width are set. */
#ifndef MD_DATASETS_READERS_H
#define MD_DATASETS_READERS_H

#include "sample.h"

int md_micro_read(const struct md_data_spec *spec, struct md_dataset *dataset,
                  struct md_error *error);
int md_matrix_read(const struct md_data_spec *spec, struct md_dataset *dataset,
                   struct md_error *error);
int md_synthetic_read(const struct md_data_spec *spec, struct md_dataset *dataset,
                      struct md_error *error);

#endif
