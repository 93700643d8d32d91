/* The names that configs, results and messages use for what core can do. */
#include "ops.h"

const char *const md_format_names[MD_FORMAT_COUNT + 1] = {"fp32", "fp64",  "fp16",
                                                          "bf16", "fp16w", "bf16w"};
const size_t md_format_bytes[MD_FORMAT_COUNT] = {4, 8, 2, 2, 2, 2};
const char *const md_loss_names[MD_LOSS_COUNT + 1] = {"berhu",    "l1",   "mse",        "rel_l1",
                                                      "depth_l1", "rmse", "silog",      "robust",
                                                      "grad",     "vnl",  "photometric"};
const char *const md_average_names[MD_AVERAGE_COUNT + 1] = {"own", "pixel", "picture"};
const char *const md_weighing_names[MD_WEIGHING_COUNT + 1] = {"fixed", "dynamic"};
const char *const md_optimizer_names[MD_OPTIMIZER_COUNT + 1] = {"sgd", "adam"};
const unsigned char md_optimizer_moments[MD_OPTIMIZER_COUNT][2] = {{0, 1}, {2, 2}};
const char *const md_storing_names[MD_STORING_COUNT + 1] = {"plain", "stochastic", "master",
                                                            "kahan"};
const char *const md_decay_names[MD_DECAY_COUNT + 1] = {"l2", "decoupled"};
const char *const md_moments_names[MD_MOMENTS_COUNT + 1] = {"format", "fp32"};
