/* From what the sensor saw to what the network is trained and tested on. */
#ifndef MD_DATASETS_LABELS_H
#define MD_DATASETS_LABELS_H

#include "sample.h"

enum md_label_mode {
    MD_LABEL_BILINEAR, /* invalid zones are never mixed into valid pixels (default) */
    MD_LABEL_NEAREST,
    MD_LABEL_RELEASE, /* the release's: plain bilinear over depth and disparity, invalid or not */
    MD_LABEL_SPARSE,  /* only at the zones' centres */
    MD_LABEL_POOLED   /* the nearest point, for a label that is as coarse as the zones: the
                       * prediction is pooled to it (md_config_network) */
};

extern const char *const md_label_mode_names[]; /* "bilinear", "nearest", ..., NULL */

/* Training label of a sample: disparity (height, width), MD_INVALID where there is none.
 * Bilinear: half-pixel centres, edges clamped (PyTorch's align_corners=False). A pixel is valid
 * when the zone it lies in is; its value is the weighted mean of the valid ones among its four
 * neighbours. Sparse: a pixel that holds its zone's centre, or has it on its edge, has the zone's
 * value, others have none; of 6x6 pixels a zone that is the middle 2x2. Pooled: the largest
 * disparity of a pixel's zones, which along an axis are those from floor(pixel * zones / pixels)
 * on; where the grid is the coarser one, of the zone the pixel lies in. `no_return_m`: used by
 * MD_LABEL_RELEASE only, which reads a missing depth as that distance and drops the pixels whose
 * interpolated depth is exactly that. */
void md_label(const struct md_sample *sample, enum md_label_mode mode, float no_return_m,
              int height, int width, float *disparity);

/* Along an axis that is cut into `from` equal parts and into `to`: the one of the latter that the
 * centre of part `at` lies in. */
int md_place_along(int at, int from, int to);

/* The size of a sample's ground truth: of what is kept as one, or of its depth. */
void md_truth_size(const struct md_sample *sample, int *height, int *width);

/* Ground truth of a sample: depth in metres (height, width), nearest zone or pixel, MD_NO_DEPTH
 * where there is none. */
void md_truth(const struct md_sample *sample, int height, int width, float *depth_m);

#endif
