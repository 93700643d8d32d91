/* The data specification that the keys' defaults make, for tests to go on from. */
#ifndef MD_TESTS_SPECS_H
#define MD_TESTS_SPECS_H

#include "../experiments/config.h"

static inline struct md_data_spec default_spec(void) {
    struct md_data_spec spec;
    struct md_error error;
    md_data_spec_parse("{set: synthetic, split: train}", &spec, &error);
    return spec;
}

#endif
