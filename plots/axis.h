/* A value axis. Internal to plots/. */
#ifndef MD_PLOTS_AXIS_H
#define MD_PLOTS_AXIS_H

#include <stddef.h>
#include <stdio.h>

/* Covers every finite value that was included, since what is off the axis would be missed by
 * nobody. Logarithmic where the values span more than a linear axis can show. */
struct md_axis {
    double least, most; /* of the values included; least > most: none yet */
    double low, high;
    int is_logarithmic;
};

/* An axis without values. */
struct md_axis md_axis_start(void);

/* Includes a value, or `count` values; NaN and infinity are ignored. */
void md_axis_include(struct md_axis *axis, double value);
void md_axis_include_all(struct md_axis *axis, const double *values, size_t count);

/* Sets low, high and is_logarithmic, with margins below and above the values, as fractions of their
 * span. A margin does not take an axis below zero. */
void md_axis_choose(struct md_axis *axis, double below, double above);

/* The value at a fraction of the axis' length, and the fraction at a value. */
double md_axis_value(const struct md_axis *axis, double fraction);
double md_axis_fraction(const struct md_axis *axis, double value);

/* Writes range, scale and marks of the axis gnuplot calls `name`. */
void md_axis_write(FILE *script, const char *name, const struct md_axis *axis);

#endif
