/* For the tests of distillation: the formula written down once more, with both matrices of cosines.
 */
#ifndef MD_TESTS_DISTILLING_H
#define MD_TESTS_DISTILLING_H

#include "numbers.h"

/* All cosines between n vectors of `channels`, each of which lies `apart`; to be freed. */
static inline long double *cosines_of(const long double *vectors, int channels, int n) {
    long double *cosines = malloc(sizeof *cosines * (size_t)(n * n + 1));
    cr_assert(cosines);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            long double sums[3] = {0, 0, 0};
            for (int c = 0; c < channels; c++) {
                long double a = vectors[c * n + i], b = vectors[c * n + j];
                sums[0] += a * b;
                sums[1] += a * a;
                sums[2] += b * b;
            }
            long double lengths = sqrtl(sums[1]) * sqrtl(sums[2]);
            cosines[i * n + j] = lengths > 0 ? sums[0] / lengths : 0;
        }
    return cosines;
}

/* Features are (channels, pixels). */
static inline long double unlikeness_of(const double *features, int channels, const int8_t *teacher,
                                        int teacher_channels, int pixels) {
    int n = 0, *counted = malloc(sizeof *counted * (size_t)pixels);
    size_t most = (size_t)(channels + teacher_channels) * (size_t)pixels;
    long double *ours = calloc(most, sizeof *ours), *theirs = ours + channels * pixels, sum = 0;
    cr_assert(counted && ours);
    for (int p = 0; p < pixels; p++)
        for (int c = 0; c < teacher_channels; c++)
            if (teacher[c * pixels + p] != 0) {
                counted[n++] = p;
                break;
            }
    for (int k = 0; k < n; k++) {
        for (int c = 0; c < channels; c++)
            ours[c * n + k] = features[c * pixels + counted[k]];
        for (int c = 0; c < teacher_channels; c++)
            theirs[c * n + k] = teacher[c * pixels + counted[k]];
    }
    long double *a = cosines_of(ours, channels, n), *b = cosines_of(theirs, teacher_channels, n);
    for (int k = 0; k < n * n; k++)
        sum += (a[k] - b[k]) * (a[k] - b[k]);
    free(a);
    free(b);
    free(ours);
    free(counted);
    return n > 0 ? sum / n / n : 0;
}

#endif
