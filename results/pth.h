/* Published PyTorch checkpoints: a zip of raw little-endian tensors and a pickle that names them.
 * The pickle is read by a machine of its own that knows only what such a file needs; it runs no
 * code and refuses everything else. The state dict may lie below a name ("state_dict", "model")
 * among numbers, lists and an optimizer's state, which are passed over, and its names may begin
 * with what a wrapper put there ("module."). */
#ifndef MD_RESULTS_PTH_H
#define MD_RESULTS_PTH_H

#include "pickle.h"

/* To be freed (md_state_dict_free) when it went well. */
int md_pth_read(const char *path, struct md_state_dict *dict, struct md_error *error);

#endif
