#include "axis.h"

#include <float.h>
#include <math.h>

struct md_axis md_axis_start(void) {
    return (struct md_axis){.least = DBL_MAX, .most = -DBL_MAX};
}

void md_axis_include(struct md_axis *axis, double value) {
    if (!isfinite(value))
        return;
    axis->least = fmin(axis->least, value);
    axis->most = fmax(axis->most, value);
}

void md_axis_include_all(struct md_axis *axis, const double *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        md_axis_include(axis, values[i]);
}

static void choose_linear(struct md_axis *axis, double below, double above) {
    static const double least_share = 1e-3, room_of_constant = 0.1;
    double magnitude = fmax(fabs(axis->least), fabs(axis->most)), span = axis->most - axis->least;
    /* A constant must not fill the whole axis with its rounding errors. */
    if (span <= least_share * magnitude) {
        axis->low = axis->least - room_of_constant * magnitude;
        axis->high = magnitude > 0.0 ? axis->most + room_of_constant * magnitude : 1.0;
        return;
    }
    axis->low = axis->least - below * span;
    axis->high = axis->most + above * span;
    if (axis->least >= 0.0)
        axis->low = fmax(axis->low, 0.0);
}

void md_axis_choose(struct md_axis *axis, double below, double above) {
    /* The ends of what gnuplot can draw. */
    static const double widest_linear = 20.0, smallest = 1e-307, largest = 1e307;
    if (axis->least > axis->most)
        axis->least = 0.0, axis->most = 1.0;
    axis->is_logarithmic = axis->least > 0.0 && axis->most / widest_linear > axis->least;
    if (!axis->is_logarithmic) {
        choose_linear(axis, below, above);
        return;
    }
    double least = log10(axis->least), most = log10(axis->most), span = most - least;
    axis->low = fmax(pow(10.0, least - below * span), smallest);
    axis->high = fmin(pow(10.0, most + above * span), largest);
}

/* A value as a length on the axis, from zero or 1 on. */
static double length_of(const struct md_axis *axis, double value) {
    return axis->is_logarithmic ? log10(value) : value;
}

double md_axis_value(const struct md_axis *axis, double fraction) {
    double low = length_of(axis, axis->low), high = length_of(axis, axis->high);
    double length = low + fraction * (high - low);
    return axis->is_logarithmic ? pow(10.0, length) : length;
}

double md_axis_fraction(const struct md_axis *axis, double value) {
    double low = length_of(axis, axis->low), high = length_of(axis, axis->high);
    return (length_of(axis, value) - low) / (high - low);
}

/* Marks of a logarithmic axis at 1, 2 and 5 times the powers of ten; on a long one at some powers
 * only. gnuplot alone would mark the powers, of which a short axis may have none. */
static void write_logarithmic_tics(FILE *script, const char *name, const struct md_axis *axis) {
    static const double mantissas[] = {1.0, 2.0, 5.0};
    enum { SHORT = 3, MOST_POWERS = 10 };
    int first = (int)floor(log10(axis->low)), last = (int)floor(log10(axis->high));
    int marks = last - first <= SHORT ? 3 : 1, step = 1 + (last - first) / MOST_POWERS;
    const char *separator = "";
    fprintf(script, "set %stics (", name);
    for (int power = first; power <= last; power += step)
        for (int m = 0; m < marks; m++) {
            double value = mantissas[m] * pow(10.0, power);
            if (value < axis->low || value > axis->high)
                continue;
            fprintf(script, "%s'%g' %.9g", separator, value, value);
            separator = ", ";
        }
    fputs(")\n", script);
}

void md_axis_write(FILE *script, const char *name, const struct md_axis *axis) {
    fprintf(script, "set %srange [%.17g:%.17g]\n%s logscale %s\n", name, axis->low, axis->high,
            axis->is_logarithmic ? "set" : "unset", name);
    if (axis->is_logarithmic)
        write_logarithmic_tics(script, name, axis);
}
