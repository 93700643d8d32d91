/* A network with its weights as an ONNX model, for the runtimes that read those. */
#ifndef MD_RESULTS_ONNX_H
#define MD_RESULTS_ONNX_H

#include <stdio.h>

#include "weights.h"

/* Writes the model: `picture`, float (batch, 3, height, width), RGB from 0 to 1, becomes
 * `disparity`, float (batch, 1, h, w); depth is FB / disparity. Its other tensors have the names of
 * the layers and parameters; layers behind the prediction (zones that a loss is taken of) are left
 * out. ONNX's format is protobuf (onnx.proto of onnx/onnx): IR version 7, operators of version 13.
 * `to` must be seekable; whoever closes it sees whether it could be written. */
void md_onnx_write(FILE *to, const struct md_network *network, const float *values,
                   const struct md_weights_info *info);

#endif
