#include "labels.h"

const char *const md_label_mode_names[] = {"bilinear", "nearest", "release",
                                           "sparse",   "pooled",  NULL};

/* A pixel of the label along one axis of the grid of zones. Weights are integers, so that sums of
 * them are exact and a mean of equal values is that value. */
struct axis_position {
    int zone;         /* that the pixel's centre lies in */
    int neighbour[2]; /* zones whose centres the pixel's centre lies between */
    int weight[2];    /* of these, for interpolation */
    int central;      /* whether the centre of `zone` lies in the pixel, or on its edge */
    int first, last;  /* zones that the pixel covers, without `last` */
};

/* Pixel centre (pixel + 1/2) * zones / pixels in zones, from the first zone's edge; the grid's own
 * centres are at zone + 1/2. All in units of 1 / (2 * pixels) of a zone. */
static struct axis_position locate_pixel(int pixel, int pixels, int zones) {
    const int unit = 2 * pixels;
    const int centre = (2 * pixel + 1) * zones;
    const int from_first_centre = centre > pixels ? centre - pixels : 0;
    const int lower = from_first_centre / unit;
    const int upper = lower + 1 < zones ? lower + 1 : lower;
    const int fraction = from_first_centre % unit;
    const int zone = centre / unit, from_centre = centre - (2 * zone + 1) * pixels;
    const int first = pixel * zones / pixels, end = (pixel + 1) * zones / pixels;
    return (struct axis_position){
        .zone = zone,
        .neighbour = {lower, upper},
        .weight = {unit - fraction, fraction},
        .central = from_centre <= zones && from_centre >= -zones, /* half a pixel */
        .first = zones < pixels ? zone : first,
        .last = zones < pixels ? zone + 1 : end,
    };
}

/* A pixel of the label along both axes. */
struct position {
    struct axis_position row, column;
};

static int nearest_zone(const struct md_sample *sample, const struct position *position) {
    return position->row.zone * sample->depth_width + position->column.zone;
}

/* The four neighbours of a position and the weights they have. */
static void neighbours(const struct md_sample *sample, const struct position *position, int zone[4],
                       double weight[4]) {
    for (int i = 0; i < 4; i++) {
        zone[i] = position->row.neighbour[i / 2] * sample->depth_width +
                  position->column.neighbour[i % 2];
        weight[i] = (double)position->row.weight[i / 2] * position->column.weight[i % 2];
    }
}

static float label_bilinear(const struct md_sample *sample, const struct position *position,
                            float no_return_m) {
    (void)no_return_m;
    int zone[4];
    double weight[4], sum = 0, total = 0;
    if (sample->disparity[nearest_zone(sample, position)] == MD_INVALID)
        return MD_INVALID;
    neighbours(sample, position, zone, weight);
    for (int i = 0; i < 4; i++) {
        if (sample->disparity[zone[i]] == MD_INVALID)
            continue;
        sum += weight[i] * sample->disparity[zone[i]];
        total += weight[i];
    }
    return (float)(sum / total);
}

static float label_nearest(const struct md_sample *sample, const struct position *position,
                           float no_return_m) {
    (void)no_return_m;
    return sample->disparity[nearest_zone(sample, position)];
}

/* A zone without a return, or with one behind no_return_m, counts as lying there. */
static float label_release(const struct md_sample *sample, const struct position *position,
                           float no_return_m) {
    int zone[4];
    double weight[4], depth = 0, disparity = 0, total = 0;
    neighbours(sample, position, zone, weight);
    for (int i = 0; i < 4; i++) {
        float zone_depth = sample->depth_m[zone[i]];
        int returned = zone_depth != MD_NO_DEPTH && zone_depth < no_return_m;
        depth += weight[i] * (returned ? zone_depth : no_return_m);
        disparity += weight[i] * (returned ? sample->disparity[zone[i]] : sample->fb / no_return_m);
        total += weight[i];
    }
    return (float)(depth / total) == no_return_m ? MD_INVALID : (float)(disparity / total);
}

static float label_sparse(const struct md_sample *sample, const struct position *position,
                          float no_return_m) {
    return position->row.central && position->column.central
               ? label_nearest(sample, position, no_return_m)
               : MD_INVALID;
}

/* MD_INVALID is less than any disparity. */
static float label_pooled(const struct md_sample *sample, const struct position *position,
                          float no_return_m) {
    (void)no_return_m;
    float largest = MD_INVALID;
    for (int row = position->row.first; row < position->row.last; row++)
        for (int column = position->column.first; column < position->column.last; column++) {
            float here = sample->disparity[row * sample->depth_width + column];
            largest = here > largest ? here : largest;
        }
    return largest;
}

typedef float (*label_function)(const struct md_sample *sample, const struct position *position,
                                float no_return_m);

static const label_function label_functions[] = {
    [MD_LABEL_BILINEAR] = label_bilinear, [MD_LABEL_NEAREST] = label_nearest,
    [MD_LABEL_RELEASE] = label_release,   [MD_LABEL_SPARSE] = label_sparse,
    [MD_LABEL_POOLED] = label_pooled,
};

void md_label(const struct md_sample *sample, enum md_label_mode mode, float no_return_m,
              int height, int width, float *disparity) {
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const struct position position = {locate_pixel(y, height, sample->depth_height),
                                              locate_pixel(x, width, sample->depth_width)};
            *disparity++ = label_functions[mode](sample, &position, no_return_m);
        }
    }
}

int md_place_along(int at, int from, int to) {
    return (int)((2 * (int64_t)at + 1) * to / (2 * (int64_t)from));
}

void md_truth_size(const struct md_sample *sample, int *height, int *width) {
    *height = sample->truth_m ? sample->truth_height : sample->depth_height;
    *width = sample->truth_m ? sample->truth_width : sample->depth_width;
}

void md_truth(const struct md_sample *sample, int height, int width, float *depth_m) {
    const float *truth_m = sample->truth_m ? sample->truth_m : sample->depth_m;
    int truth_height, truth_width;
    md_truth_size(sample, &truth_height, &truth_width);
    for (int y = 0; y < height; y++) {
        int row = locate_pixel(y, height, truth_height).zone * truth_width;
        for (int x = 0; x < width; x++)
            *depth_m++ = truth_m[row + locate_pixel(x, width, truth_width).zone];
    }
}
