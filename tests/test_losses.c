/* Losses of the plain loops, in both formats, against the published formulas in binary64:
 * core/ops.h. (Pairs of pictures: test_photometric.c.) */
#include "losses.h"
#include "shell.h"

static struct md_loss_report run_loss(enum md_format format, enum md_loss loss,
                                      const struct batch *b, int gap, double *gradient) {
    const struct md_objective objective = md_single_loss(loss, (float)depth_cap);
    return run(format, &objective, b, gap, gradient);
}

/* A pixel's value and slope take fewer than 16 roundings, c's among them; the report is rounded to
 * binary32 once. */
static void check_loss(enum md_format format, enum md_loss loss, const struct batch *b, int gap) {
    double gradient[MOST], terms = 0, u = unit_roundoff(format);
    struct constants k = constants_of(loss, b);
    struct md_loss_report report = run_loss(format, loss, b, gap, gradient);
    for (int i = 0; i < count_of(b); i++) {
        struct term term = {0, 0, 0, 0};
        if (b->label[i] != -1)
            term = share_of(loss, b, &k, i);
        double slope = k.valid > 0 ? term.slope / k.valid : 0;
        double allowed = k.valid > 0 ? 16 * u * k.rough * term.slope_terms / k.valid : 0;
        cr_assert(fabs(gradient[i] - slope) <= allowed, "%s %s: gradient[%d] is %g, expected %g",
                  md_loss_names[loss], md_format_names[format], i, gradient[i], slope);
        terms += k.valid > 0 ? term.value_terms / k.valid : 0;
    }
    double value = value_of(loss, b, &k);
    cr_assert(fabs((double)report.value - value) <=
                  16 * u * k.rough * terms + 0x1p-24 * fabs(value),
              "%s %s: value is %.9g, expected %.9g", md_loss_names[loss], md_format_names[format],
              (double)report.value, value);
    cr_assert(fabs((double)report.c - k.c) <= (16 * u * k.rough + 0x1p-24) * k.c,
              "%s %s: c is %.9g, expected %.9g", md_loss_names[loss], md_format_names[format],
              (double)report.c, k.c);
    cr_assert_eq(report.valid, k.valid);
    cr_assert_eq(report.count, loss == MD_LOSS_RMSE ? pictures_of(b, &k) : k.valid);
}

/* Rows and columns of at most `side` disparities around their labels, some below the depth cap's
 * floor of 16, some labels missing. All are binary32 numbers, so that both formats get the same. */
static struct batch random_batch(struct md_random *random, uint32_t side) {
    struct batch b = {.samples = 1 + (int)md_random_below(random, 4), .fb = {80, 65.5f, 12, 100}};
    b.width = 1 + (int)md_random_below(random, side);
    b.pixels = b.width * (1 + (int)md_random_below(random, side));
    for (int i = 0; i < count_of(&b); i++) {
        double y = md_random_range(random, 10, 80);
        b.label[i] = md_random_below(random, 5) == 0 ? -1 : (double)(float)y;
        b.output[i] = (double)(float)(y * md_random_range(random, 0.2, 2));
    }
    return b;
}

Test(losses, equal_the_formulas) {
    struct md_random random = md_random_stream(20, 0, 0, 0);
    for (int i = 0; i < 200; i++) {
        struct batch b = random_batch(&random, i % 2 ? 16 : 8); /* of several blocks; of a part */
        for (int loss = 0; loss < MD_LOSS_COUNT; loss++)
            for (int format = 0; format < PRECISE_FORMATS; format++)
                if (loss < MD_LOSS_SILOG || loss == MD_LOSS_ROBUST)
                    check_loss((enum md_format)format, (enum md_loss)loss, &b, i % 3);
    }
}

/* ---- sums of losses, and what each is averaged over -------------------------------------------
 */

static const struct md_objective objectives[] = {
    {{[MD_BERHU] = 1}, MD_AVERAGE_PICTURE, 5, 0, 0, 0, 0, 0},
    {{[MD_L1] = 1}, MD_AVERAGE_PICTURE, 5, 0, 0, 0, 0, 0},
    {{[MD_DEPTH_L1] = 1}, MD_AVERAGE_PICTURE, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_RMSE] = 1}, MD_AVERAGE_OWN, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_RMSE] = 1}, MD_AVERAGE_PIXEL, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_SILOG] = 1}, MD_AVERAGE_OWN, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_SILOG] = 1}, MD_AVERAGE_PICTURE, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_ROBUST] = 1}, MD_AVERAGE_OWN, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_ROBUST] = 0.6f}, MD_AVERAGE_PICTURE, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_GRAD] = 1}, MD_AVERAGE_OWN, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_GRAD] = 1}, MD_AVERAGE_PICTURE, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_RMSE] = 1, [MD_LOSS_GRAD] = 0.25f}, MD_AVERAGE_OWN, 5, 0, 0, 0, 0, 0},
    {{[MD_BERHU] = 2, [MD_LOSS_SILOG] = 1, [MD_LOSS_ROBUST] = 0.6f},
     MD_AVERAGE_PIXEL,
     5,
     0,
     0,
     0,
     0,
     0},
    {{[MD_LOSS_VNL] = 1}, MD_AVERAGE_OWN, 5, 0, 0, 0, 0, 0},
    {{[MD_LOSS_VNL] = 2.5f, [MD_LOSS_SILOG] = 1}, MD_AVERAGE_PIXEL, 5, 0, 0, 0, 0, 0},
    {{[MD_L1] = 1}, MD_AVERAGE_OWN, 5, MD_WEIGHTS_DYNAMIC, 0, 0, 0, 0},
    {{[MD_MSE] = 0.2f, [MD_LOSS_RMSE] = 1, [MD_LOSS_GRAD] = 1},
     MD_AVERAGE_PIXEL,
     5,
     MD_WEIGHTS_DYNAMIC,
     0,
     0,
     0,
     0},
};

/* Whether a small step of pixel i crosses a kink of one of the losses. */
static int is_near_a_kink(const struct batch *b, int i, double step) {
    double o = b->output[i], y = b->label[i], fb = (double)b->fb[i / b->pixels];
    double slope = fb / fmin(o * o, 256) * 4 * step;
    int near = fabs(o - y) <= step || fabs(o - fb / depth_cap) <= step;
    for (int j = 0; j < count_of(b); j++)
        for (int way = 0; way < 2; way++)
            if (b->label[j] != -1 && after(b, j, way) >= 0 && (j == i || after(b, j, way) == i))
                near |=
                    fabsl(difference_at(b, j, 0) - difference_at(b, after(b, j, way), 0)) <= slope;
    for (int each = 0; each < 2; each++) { /* berhu, of the batch and of the picture */
        int first = each ? i / b->pixels * b->pixels : 0;
        struct batch part = {each ? 1 : b->samples, b->pixels, {0}, {0}, {0}, b->width};
        memcpy(part.output, b->output + first, sizeof(double) * (size_t)count_of(&part));
        memcpy(part.label, b->label + first, sizeof(double) * (size_t)count_of(&part));
        struct constants k = constants_of(MD_BERHU, &part);
        near |= fabs(fabs(o - y) / k.t - k.c) * k.t <= step;
    }
    return near;
}

/* Moves depths towards each other, for triples that are not nearly in line with the camera. */
static void flatten(struct batch *b) {
    for (int i = 0; i < count_of(b); i++) {
        b->output[i] = (double)(float)(45 + (b->output[i] - 45) / 8);
        b->label[i] = b->label[i] == -1 ? -1 : (double)(float)(45 + (b->label[i] - 45) / 8);
    }
}

/* The value, in both formats, and the gradient: in fp64 it is the difference quotient to 1e-6, and
 * in fp32 the same to what its roundings are. */
Test(losses, sums_and_averages_are_as_defined) {
    struct md_random random = md_random_stream(23, 0, 0, 0);
    for (size_t n = 0; n < LENGTH(objectives); n++) {
        int compared = 0, pixels = 0, slopes = 0;
        for (int round = 0; round < 12; round++) {
            struct batch b = random_batch(&random, 8);
            if (objectives[n].weight[MD_LOSS_VNL] > 0)
                flatten(&b);
            struct batch moved = b;
            double gradient[MOST], single[MOST], largest = 0;
            struct md_loss_report report = run(MD_FP64, &objectives[n], &b, round % 3, gradient);
            struct md_loss_report report32 = run(MD_FP32, &objectives[n], &b, round % 2, single);
            double value = (double)objective_of(&objectives[n], &b, &b);
            cr_assert_float_eq(report.value, value, 2 * 0x1p-24 * value, "%zu: %.9g, not %.9g", n,
                               (double)report.value, value);
            cr_assert_float_eq(report32.value, value, 1e-5 * value, "%zu", n);
            for (int i = 0; i < count_of(&b); i++)
                largest = fmax(largest, fabs(gradient[i]));
            for (int i = 0; i < count_of(&b); i++) {
                double step = 0x1p-11;
                pixels++;
                if (b.label[i] == -1 || is_near_a_kink(&b, i, step)) {
                    cr_assert(b.label[i] != -1 || gradient[i] == 0);
                    compared += b.label[i] == -1;
                    continue;
                }
                long double sums[2];
                for (int side = 0; side < 2; side++) {
                    moved.output[i] = b.output[i] + (side ? step : -step);
                    sums[side] = objective_of(&objectives[n], &moved, &b);
                }
                struct batch below = b;
                below.output[i] -= step;
                int passes =
                    objectives[n].weight[MD_LOSS_VNL] > 0 && passes_a_normal(&below, &moved, i);
                moved.output[i] = b.output[i];
                if (passes)
                    continue;
                double difference = (double)((sums[1] - sums[0]) / (2 * (long double)step));
                cr_assert(fabs(difference - gradient[i]) <=
                              1e-6 * fabs(difference) + 1e-8 * largest,
                          "%zu: gradient[%d] is %.12g, the difference quotient %.12g", n, i,
                          gradient[i], difference);
                cr_assert(fabs(single[i] - gradient[i]) <= 2e-5 * largest,
                          "%zu: gradient[%d] is %.9g in fp32, %.9g in fp64", n, i, single[i],
                          gradient[i]);
                compared++;
                slopes += gradient[i] != 0;
            }
        }
        cr_assert(compared > pixels * 3 / 4 && slopes > pixels / 16, "%zu: %d of %d, %d slopes", n,
                  compared, pixels, slopes);
    }
}

/* By the numbers p of dynamic weights too, but not where they are held: there the gradient is what
 * it is at the least one. A loss that is not in the sum has none. */
Test(losses, dynamic_weights_have_their_gradient) {
    struct md_random random = md_random_stream(27, 0, 0, 0);
    for (size_t n = 0; n < LENGTH(objectives); n++) {
        if (objectives[n].weighing == MD_WEIGHTS_FIXED)
            continue;
        struct batch b = random_batch(&random, 8);
        double gradient[MOST], slopes[MD_LOSS_COUNT], step = 0x1p-14;
        run(MD_FP64, &objectives[n], &b, 0, gradient);
        memcpy(slopes, balance_slopes, sizeof slopes);
        for (int l = 0; l < MD_LOSS_COUNT; l++) {
            double old = balance[l];
            long double sums[2];
            for (int side = 0; side < 2; side++) {
                balance[l] = old + (side ? step : -step);
                sums[side] = objective_of(&objectives[n], &b, &b);
            }
            double difference = (double)((sums[1] - sums[0]) / (2 * (long double)step));
            cr_assert(fabs(difference - slopes[l]) <= 1e-6 * fabs(slopes[l]),
                      "%zu: %s: %.12g, the difference quotient %.12g", n, md_loss_names[l],
                      slopes[l], difference);
            cr_assert_eq(slopes[l] != 0, objectives[n].weight[l] > 0);
            double held[3][2]; /* at 1e-3, below and far below it: value and gradient */
            for (int h = 0; h < 3; h++) {
                balance[l] = h == 0 ? 1e-3 : h == 1 ? 0.9e-3 : -7;
                held[h][0] = (double)run(MD_FP64, &objectives[n], &b, 0, gradient).value;
                held[h][1] = balance_slopes[l];
                cr_assert(held[h][0] == held[0][0] && held[h][1] == held[0][1]);
            }
            balance[l] = old;
        }
    }
}

/* A picture whose labels, one every `apart` pixels both ways, are a room's: a floor and a wall. */
static struct batch room_batch(struct md_random *random, int apart) {
    struct batch b = {.samples = 1, .pixels = MOST, .width = 32, .fb = {80}};
    for (int i = 0; i < b.pixels; i++) {
        int column = i % b.width, row = i / b.width, has = column % apart + row % apart == 0;
        double y = fmax(30, 2 * row) + 0.25 * column + md_random_range(random, 0, 2);
        b.label[i] = has ? (double)(float)y : -1;
        b.output[i] = (double)(float)(y * md_random_range(random, 0.7, 1.3));
    }
    return b;
}

/* The value and the gradients in binary64 are those of the authors' own code in PyTorch, given the
 * same triples; with a label everywhere, and with 8x8 zones far from each other. */
Test(losses, virtual_normals_are_pytorchs, .init = scratch_set_up, .fini = scratch_tear_down) {
    if (shell(PYTHON " -c 'import torch'") != 0) {
        fprintf(stderr, "SKIP: python3-torch not there\n");
        cr_skip("no torch");
    }
    struct md_random random = md_random_stream(24, 0, 0, 0);
    const struct md_objective objective = md_single_loss(MD_LOSS_VNL, (float)depth_cap);
    struct scratch_path given = scratch_path(&scratch, "given");
    for (int apart = 1; apart <= 2; apart++) {
        struct batch b = room_batch(&random, apart);
        int triples[MOST][3], count = draw_triples(&b, 0, triples), length = 0;
        double gradient[MOST];
        struct md_loss_report report = run(MD_FP64, &objective, &b, 0, gradient);
        FILE *file = fopen(given.text, "w");
        cr_assert(file);
        fprintf(file, "%d %d %g %g\n", b.width, b.pixels / b.width, (double)b.fb[0], depth_cap);
        for (int i = 0; i < b.pixels; i++)
            fprintf(file, "%.17g%c", b.output[i], i == b.pixels - 1 ? '\n' : ' ');
        for (int i = 0; i < b.pixels; i++)
            fprintf(file, "%.17g%c", b.label[i], i == b.pixels - 1 ? '\n' : ' ');
        for (int t = 0; t < count; t++)
            fprintf(file, "%d %d %d\n", triples[t][0], triples[t][1], triples[t][2]);
        cr_assert_eq(fclose(file), 0);
        cr_assert_gt(triples_of(&b, 0, triples), 8);
        cr_assert_eq(shell(PYTHON " tests/normals.py '%s'", given.text), 0, "%s", out);
        double value, right;
        const char *at = out;
        cr_assert_eq(sscanf(at, "%lf%n", &value, &length), 1, "%s", out);
        cr_assert(value > 0.1 && fabs((double)report.value - value) <= 0x1p-24 * value,
                  "%.9g, PyTorch %.9g", (double)report.value, value);
        for (int i = 0; i < b.pixels; i++) {
            at += length;
            cr_assert_eq(sscanf(at, "%lf%n", &right, &length), 1, "%s", out);
            cr_assert(fabs(gradient[i] - right) <= 1e-12 + 1e-9 * fabs(right),
                      "gradient[%d] is %.17g, PyTorch's %.17g", i, gradient[i], right);
        }
    }
}

/* Few labels, or none that span a plane: no value, no gradient, and other losses keep theirs. */
Test(losses, virtual_normals_without_a_triple_are_nothing) {
    const struct md_objective both = {
        {[MD_L1] = 1, [MD_LOSS_VNL] = 1}, MD_AVERAGE_OWN, 5, 0, 0, 0, 0, 0};
    static const int columns[] = {0, 3, 32}; /* with labels, in the first row: a line at most */
    for (int format = 0; format < PRECISE_FORMATS; format++)
        for (size_t c = 0; c < LENGTH(columns); c++) {
            struct md_random random = md_random_stream(25, 0, 0, 0);
            struct batch b = room_batch(&random, 1);
            double gradient[MOST], alone[MOST];
            for (int i = columns[c]; i < b.pixels; i++)
                b.label[i] = -1;
            for (int i = 0; i < columns[c]; i++)
                b.label[i] = 40;
            struct md_loss_report report =
                run_loss((enum md_format)format, MD_LOSS_VNL, &b, 0, gradient);
            cr_assert(report.value == 0 && report.valid == columns[c]);
            for (int i = 0; i < b.pixels; i++)
                cr_assert(gradient[i] == 0);
            struct md_loss_report l1 = run_loss((enum md_format)format, MD_L1, &b, 0, alone);
            report = run((enum md_format)format, &both, &b, 0, gradient);
            cr_assert_eq(report.value, l1.value);
            for (int i = 0; i < b.pixels; i++)
                cr_assert(gradient[i] == alone[i]);
        }
}

/* What is wrong with a prediction must show. */
Test(losses, virtual_normals_of_a_nan_are_nan) {
    struct md_random random = md_random_stream(26, 0, 0, 0);
    struct batch b = room_batch(&random, 1);
    double gradient[MOST];
    for (int i = 0; i < b.pixels; i++)
        b.output[i] = NAN;
    cr_assert(isnan(run_loss(MD_FP32, MD_LOSS_VNL, &b, 0, gradient).value));
}

Test(losses, gradients_are_derivatives) {
    struct md_random random = md_random_stream(21, 0, 0, 0);
    for (int loss = 0; loss <= MD_LOSS_RMSE; loss++) { /* the others: as sums of one */
        int compared = 0, pixels = 0;
        for (int n = 0; n < 40; n++) {
            struct batch b = random_batch(&random, 8);
            struct constants k = constants_of((enum md_loss)loss, &b);
            double gradient[MOST];
            run_loss(MD_FP64, (enum md_loss)loss, &b, 0, gradient);
            for (int i = 0; i < count_of(&b); i++) {
                double o = b.output[i], y = b.label[i], step = 0x1p-11, sums[2];
                double to_c = fabs(fabs(o - y) / k.t - k.c) * k.t;
                double to_floor = fabs(o - (double)b.fb[i / b.pixels] / depth_cap);
                pixels++;
                /* Not where a magnitude has its kink, the published formula jumps, or depth_l1
                 * changes its curvature. */
                if (y != -1 && (fabs(o - y) <= step || (loss == MD_BERHU && to_c <= step) ||
                                (loss >= MD_DEPTH_L1 && to_floor <= step)))
                    continue;
                for (int side = 0; side < 2; side++) {
                    b.output[i] = side ? o + step : o - step;
                    sums[side] = value_of((enum md_loss)loss, &b, &k);
                }
                b.output[i] = o;
                double difference = (sums[1] - sums[0]) / (2 * step);
                double noise = 4 * 0x1p-53 * fabs(sums[1]) / step;
                cr_assert(fabs(difference - gradient[i]) <= 1e-6 * fabs(difference) + noise,
                          "%s: gradient[%d] is %.12g, the difference quotient %.12g",
                          md_loss_names[loss], i, gradient[i], difference);
                compared++;
            }
        }
        cr_assert_gt(compared, pixels * 9 / 10);
    }
}

/* berHu by hand. With t = 8 and o - y = 5 somewhere, c = 0.2 * 5/8 = 1/8 exactly, in both formats,
 * so a difference of 1 lies on the threshold itself. */
Test(losses, berhu_is_the_published_one) {
    static const struct {
        const char *what;
        struct batch batch;
        double value, c, gradient[4];
        int valid;
    } cases[] = {
        {"d is c: the value jumps to 0, the slope is 1/t",
         {1, 2, {13, 9}, {8, 8}, {80}, 0},
         (25.0 / 64 - 1.0 / 64) / (2.0 / 8) / 2,
         1.0 / 8,
         {5.0 / 8 * 8 / 8 / 2, 1.0 / 8 / 2},
         2},
        {"d is below c: the value is d",
         {1, 2, {13, 7.5}, {8, 8}, {80}, 0},
         (1.5 + 1.0 / 16) / 2,
         1.0 / 8,
         {5.0 / 8 / 2, -1.0 / 8 / 2},
         2},
        {"a pixel without label is in c, not in the sum: |9 + 1| / 8 = 1.25",
         {1, 3, {9, 8.5, 11}, {-1, 8, 8}, {80}, 0},
         (1.0 / 16 + (9.0 / 64 - 1.0 / 16) / 0.5) / 2,
         0.25,
         {0, 1.0 / 8 / 2, 3.0 / 8 / 0.25 / 8 / 2},
         2},
        {"t and c are the batch's: of two samples, one has both",
         {2, 2, {4, 4.5, 13, 8}, {4, 4, 8, 8}, {80, 80}, 0},
         (1.0 / 16 + 1.5) / 4,
         1.0 / 8,
         {0, 1.0 / 8 / 4, 5.0 / 8 / 4, 0},
         4},
        {"o is y everywhere", {1, 2, {3, 4}, {3, 4}, {80}, 0}, 0, 0, {0, 0}, 2},
        {"no label at all", {2, 1, {3, 4}, {-1, -1}, {80, 80}, 0}, 0, 0, {0, 0}, 0},
    };
    for (size_t n = 0; n < LENGTH(cases); n++)
        for (int format = 0; format < PRECISE_FORMATS; format++) {
            double gradient[MOST];
            struct md_loss_report report =
                run_loss((enum md_format)format, MD_BERHU, &cases[n].batch, 1, gradient);
            /* Few roundings, and the numbers were chosen so that most are exact. */
            cr_assert_float_eq(report.value, cases[n].value, 4 * 0x1p-24, "%s: value %g, not %g",
                               cases[n].what, (double)report.value, cases[n].value);
            cr_assert_float_eq(report.c, cases[n].c, 0x1p-24, "%s: c %g, not %g", cases[n].what,
                               (double)report.c, cases[n].c);
            cr_assert_eq(report.valid, cases[n].valid, "%s", cases[n].what);
            for (int i = 0; i < count_of(&cases[n].batch); i++)
                cr_assert_float_eq(gradient[i], cases[n].gradient[i], 4 * 0x1p-24,
                                   "%s: gradient[%d] is %g, not %g", cases[n].what, i, gradient[i],
                                   cases[n].gradient[i]);
        }
}

/* No loss but photometric has anything to say without a label, whatever the outputs are. */
Test(losses, nothing_without_labels) {
    struct batch b = {1, 3, {1e30, 0, -5}, {-1, -1, -1}, {80}, 0};
    for (int loss = 0; loss < MD_LOSS_PHOTOMETRIC; loss++)
        for (int format = 0; format < PRECISE_FORMATS; format++) {
            double gradient[MOST];
            struct md_loss_report report =
                run_loss((enum md_format)format, (enum md_loss)loss, &b, 0, gradient);
            cr_assert(report.value == 0 && report.valid == 0 && report.count == 0, "%s",
                      md_loss_names[loss]);
            for (int i = 0; i < 3; i++)
                cr_assert(gradient[i] == 0, "%s", md_loss_names[loss]);
        }
}

/* depth_l1 goes on below the floor fb / cap = 16 by its tangent: value and slope meet there, and
 * the slope stays. */
Test(losses, depth_l1_is_smooth_at_its_floor) {
    for (int format = 0; format < PRECISE_FORMATS; format++) {
        double u = unit_roundoff((enum md_format)format), slope = 80.0 / (16 * 16), gradient[MOST];
        const double outputs[] = {16 - 64 * u, 16, 16 + 64 * u, 8, 0, -100};
        for (size_t i = 0; i < LENGTH(outputs); i++) {
            struct batch b = {1, 1, {outputs[i]}, {40}, {80}, 0};
            struct md_loss_report report =
                run_loss((enum md_format)format, MD_DEPTH_L1, &b, 0, gradient);
            double value = 5 + slope * (16 - outputs[i]) - 2;
            cr_assert(fabs((double)report.value - value) <= 4 * 0x1p-24 * value, "o = %g: %.9g",
                      outputs[i], (double)report.value);
            cr_assert(fabs(gradient[0] + slope) <= 16 * u * slope, "o = %g: %.17g", outputs[i],
                      gradient[0]);
        }
    }
}

/* rmse by hand: at fb 80, disparities of 80, 40, 20 and 10 are depths of 1, 2, 4 and, linear beyond
 * the floor of 16, 5 + 80/16^2 * 6. Each picture counts alike, however few labels it has; one that
 * is all right has no gradient, and one without labels does not count. */
Test(losses, rmse_is_each_pictures) {
    const struct batch b = {
        4, 2, {40, 20, 10, 9, 40, 40, 7, 8}, {80, 80, 80, -1, 40, 40, -1, -1}, {80, 80, 80, 80}, 0};
    const double root = sqrt((1 + 9) / 2.0), tangent = 80.0 / 256;
    const double expected[] = {-1.0 * (80.0 / 1600) / (2 * root) / 3,
                               -3.0 * (80.0 / 400) / (2 * root) / 3,
                               -tangent / 3,
                               0,
                               0,
                               0,
                               0,
                               0};
    for (int format = 0; format < PRECISE_FORMATS; format++) {
        double gradient[MOST];
        struct md_loss_report report =
            run_loss((enum md_format)format, MD_LOSS_RMSE, &b, 1, gradient);
        cr_assert_float_eq(report.value, (root + 4 + tangent * 6) / 3, 1e-6);
        cr_assert(report.c == 0 && report.valid == 5 && report.count == 3);
        for (int i = 0; i < count_of(&b); i++)
            cr_assert_float_eq(gradient[i], expected[i], 1e-7, "%d: %g", i, gradient[i]);
    }
}
