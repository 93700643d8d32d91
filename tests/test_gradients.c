/* The whole network's step against two independent sources: difference quotients, and PyTorch,
 * whose tensors lie in ../shared/golden (MUDEPTH_SHARED names another place for ../shared). */
#include "../base/h5.h"
#include "distilling.h"
#include "engine.h"
#include "scratch.h"

/* ---- difference quotients -------------------------------------------------------------------- */

/* What one forward pass gives: the outputs, which side of every kink it was on, and how unlike a
 * teacher's the features of the stages are. */
struct look {
    const struct md_setup *setup;
    double *output;     /* (samples, pixels) */
    uint64_t signs;     /* a hash of the signs of all activations */
    long double unlike; /* summed over samples */
};

/* (Without savings every tensor is shown whole.) */
static void look(void *context, enum md_observed what, int layer, int slot,
                 const struct md_map *map, int from, int to) {
    struct look *l = context;
    const void *values = map->at;
    size_t count = (size_t)map->channels * (size_t)(to - from) * (size_t)map->width;
    if (what != MD_SEE_ACTIVATION)
        return;
    cr_assert_eq(to - from, map->height);
    for (size_t i = 0; i < count; i++)
        l->signs = (l->signs ^ (((const double *)values)[i] > 0)) * UINT64_C(0x100000001b3);
    if (l->setup->objective.distill > 0 && md_is_stage(l->setup->network, layer)) {
        int8_t *features = make_features(l->setup, layer, slot);
        l->unlike += unlikeness_of(values, map->channels, features,
                                   l->setup->objective.teacher_channels, map->height * map->width);
        free(features);
    }
    if (layer == l->setup->network->layer_count - 1)
        memcpy(l->output + (size_t)slot * count, values, count * sizeof(double));
}

/* t and c of the step, which the gradient holds constant. */
struct constants {
    double t, c;
};

/* Pixel i of the batch's labels. */
static double label_at(const struct md_engine *e, size_t i) {
    size_t pixels = pixels_of(e->setup.network);
    const double *label = md_engine_buffer(e, e->plan.label, (int)(i / pixels));
    return label[i % pixels];
}

/* The loss in long double: the difference of two of these is what is looked at. */
static long double loss_of(const struct rig *rig, const double *output, const struct constants *k) {
    const struct md_engine *e = &rig->engine;
    size_t pixels = pixels_of(e->setup.network), n = pixels * (size_t)e->setup.batch, valid = 0;
    long double sum = 0;
    for (size_t i = 0; i < n; i++) {
        long double y = label_at(e, i), o = output[i], d = fabsl(o - y) / k->t;
        if (y == -1)
            continue;
        valid++;
        if (e->setup.objective.weight[MD_BERHU] > 0)
            sum += d < k->c ? d : (d * d - k->c * k->c) / (2 * k->c);
        else
            sum += (o - y) * (o - y);
    }
    return sum / valid;
}

static struct constants constants_of(const struct rig *rig, const double *output) {
    const struct md_engine *e = &rig->engine;
    size_t n = pixels_of(e->setup.network) * (size_t)e->setup.batch;
    struct constants k = {0, 0};
    for (size_t i = 0; i < n; i++)
        k.t = fmax(k.t, label_at(e, i));
    for (size_t i = 0; i < n; i++)
        k.c = fmax(k.c, 0.2 * fabs(output[i] - label_at(e, i)) / k.t);
    return k;
}

/* All of them, in binary64. */
static void take_gradients(const struct md_engine *engine, double *to) {
    const struct md_plan *plan = &engine->plan;
    for (int l = 0; l < engine->setup.network->layer_count; l++) {
        size_t count = md_layer_parameters(&engine->setup.network->layers[l]);
        if (plan->learns[l])
            memcpy(to + plan->parameter[l], md_engine_gradient(engine, l), count * sizeof *to);
    }
}

/* Moves one parameter tensor at a time along a random direction, by a step small enough that most
 * often no activation changes its sign; the few directions where one does say nothing and are
 * counted. The error is relative to what a random direction gives, the root of the sum of squares:
 * the sum itself may happen to cancel. */
static void check_network(const char *name, int side, int pool, enum md_loss loss, float distill) {
    enum { DIRECTIONS = 4 };
    struct md_network network = sized_network(name, side);
    if (pool > 0)
        network.layers[network.layer_count - 1].stride = pool;
    struct md_setup setup = {&network,    md_ops_find(MD_FP64, NULL),
                             POLICY_FULL, MD_SGD,
                             0,           2,
                             .cores = 1,  .objective = md_single_loss(loss, 5.0f)};
    size_t total = md_parameter_total(&network), outputs = 2 * pixels_of(&network);
    struct look eye = {&setup, numbers(MD_FP64, outputs), 0, 0};
    struct md_random random = md_random_stream(30, 0, 0, 0);
    struct md_parameter p;
    struct rig rig;
    int compared = 0, skipped = 0;

    setup.objective.distill = distill;
    setup.objective.teacher_channels = 5;
    rig_start(&rig, &setup);
    rig.engine.observe = look;
    rig.engine.observe_context = &eye;
    rig.engine.update.learning_rate = 0;
    struct md_loss_report report = rig_train(&rig, 2);
    uint64_t signs = eye.signs;
    struct constants k = constants_of(&rig, eye.output);
    double value = (double)(loss_of(&rig, eye.output, &k) + distill * eye.unlike / 2);
    cr_assert_float_eq((double)report.value, value, 1e-6 * value);
    double *weights = md_engine_weights(&rig.engine, 0); /* all layers' */
    double *gradient = numbers(MD_FP64, total), *direction = numbers(MD_FP64, total);
    take_gradients(&rig.engine, gradient);
    for (int i = 0; md_parameter(&network, i, &p) == 0; i++)
        for (int n = 0; n < DIRECTIONS; n++) {
            double *w = weights + p.offset, *old = numbers(MD_FP64, p.count), step = 1e-8;
            long double sums[2], expected = 0, square = 0;
            int crossed = 0;
            memcpy(old, w, p.count * sizeof *w);
            fill(MD_FP64, ORDINARY, &random, p.count, direction);
            for (size_t q = 0; q < p.count; q++) {
                long double term = gradient[p.offset + q] * (long double)direction[q];
                expected += term;
                square += term * term;
            }
            for (int up = 0; up < 2; up++) {
                for (size_t q = 0; q < p.count; q++)
                    w[q] = old[q] + (up ? step : -step) * direction[q];
                eye.signs = 0;
                eye.unlike = 0;
                md_engine_forward(&rig.engine, 2);
                crossed |= eye.signs != signs;
                sums[up] = loss_of(&rig, eye.output, &k) + distill * eye.unlike / 2;
            }
            memcpy(w, old, p.count * sizeof *w);
            free(old);
            skipped += crossed;
            compared += !crossed;
            double difference = (double)((sums[1] - sums[0]) / (2 * step));
            cr_assert(crossed || fabs(difference - (double)expected) <= 1e-6 * sqrt((double)square),
                      "%s %s, direction %d: the gradient says %.12Lg, the difference %.12g", name,
                      p.name, n, expected, difference);
        }
    cr_assert_geq(compared, 34 * DIRECTIONS * 9 / 10, "%d compared, %d skipped", compared, skipped);
    free(eye.output);
    free(gradient);
    free(direction);
    rig_stop(&rig);
}

Test(gradients, of_upydnet_are_derivatives) {
    check_network("upydnet", 16, 0, MD_BERHU, 0);
    check_network("upydnet", 24, 0, MD_MSE, 0);
}
Test(gradients, of_what_is_distilled_are_derivatives) {
    check_network("upydnet", 16, 0, MD_MSE, 10);
}
Test(gradients, of_upydnet_large_are_derivatives) {
    check_network("upydnet_large", 8, 0, MD_BERHU, 0);
}
Test(gradients, of_upydnet_8x8_are_derivatives) {
    check_network("upydnet_8x8", 24, 4, MD_MSE, 0);
}
Test(gradients, of_pooled_networks_are_derivatives) {
    check_network("upydnet_pooled", 24, 0, MD_BERHU, 0);
    check_network("upydnet_pooled", 24, 4, MD_MSE, 0);
    check_network("upydnet_large_pooled", 12, 3, MD_BERHU, 0);
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

struct golden {
    hid_t file;
    int batch, compared;
    struct rig rig;
};

static void read_values(struct golden *g, const char *name, hid_t type, size_t count,
                        void *values) {
    struct md_error error;
    cr_assert_eq(md_h5_read(g->file, name, type, -1, NULL, count, values, &error), MD_OK, "%s",
                 error.text);
}

static struct scratch_path path_of(const char *kind, const char *name) {
    struct scratch_path path;
    snprintf(path.text, sizeof path.text, "/f64/%s%s", kind, name);
    return path;
}

/* Compares with `count` of the file's `whole` float64 values, from `offset` on. The bound is
 * relative to the largest of them; `beyond` is what is allowed on top. */
static void compare(struct golden *g, const char *kind, const char *name, const double *ours,
                    size_t offset, size_t count, size_t whole, double bound, double beyond) {
    struct scratch_path path = path_of(kind, name);
    double *right = numbers(MD_FP64, whole), largest = 0, off = 0;
    read_values(g, path.text, H5T_NATIVE_DOUBLE, whole, right);
    for (size_t i = 0; i < whole; i++)
        largest = fmax(largest, fabs(right[i]));
    for (size_t i = 0; i < count; i++) {
        double d = fabs(ours[i] - right[offset + i]);
        off = d > off || isnan(d) ? d : off;
    }
    cr_assert(off <= bound * largest + beyond, "%s is off by %g of %g", path.text, off, largest);
    cr_assert_gt(largest, 0, "%s is nothing but zeros", path.text);
    g->compared++;
    free(right);
}

/* The two sides sum up thousands of products each in another order. 1e-11 of the largest value is
 * 1e5 roundings of binary64, as many as a long chain through all layers has; the worst tensor was
 * seen at 8e-15. Binary32, or a formula that differs anywhere, is far above it. */
static const double same_arithmetic = 1e-11;

static void compare_tensor(void *context, enum md_observed what, int layer, int slot,
                           const struct md_map *map, int from, int to) {
    struct golden *g = context;
    size_t count = (size_t)map->channels * (size_t)(to - from) * (size_t)map->width;
    const char *kind = what == MD_SEE_ACTIVATION ? "activation/" : "error/";
    const char *name = g->rig.engine.setup.network->layers[layer].name;
    if (what != MD_SEE_WEIGHT_GRADIENT && md_h5_has(g->file, path_of(kind, name).text))
        compare(g, kind, name, map->at, (size_t)slot * count, count, (size_t)g->batch * count,
                same_arithmetic, 0);
}

static struct golden open_golden(const char *file, enum md_format format,
                                 enum md_optimizer optimizer) {
    struct golden g = {0};
    struct md_error error;
    size_t shape[4], pixels = 48 * 48;
    int dimensions;
    struct md_parameter p;
    const struct md_network *network = md_network_find("upydnet");
    cr_assert_eq(md_h5_open(shared_data(file).text, &g.file, &error), MD_OK, "%s", error.text);
    cr_assert_eq(md_h5_shape(g.file, "/input_u8", 4, &dimensions, shape, &error), MD_OK, "%s",
                 error.text);
    g.batch = (int)shape[0];
    cr_assert_leq(g.batch, MOST_SAMPLES);
    struct md_setup setup = {
        network, md_ops_find(format, NULL), POLICY_FULL, optimizer, 0, g.batch, .cores = 1};
    rig_start(&g.rig, &setup);
    uint8_t *pictures = malloc(3 * pixels * (size_t)g.batch);
    float *labels = numbers(MD_FP32, pixels * (size_t)g.batch);
    float *weights = numbers(MD_FP32, md_parameter_total(network));
    cr_assert(pictures);
    read_values(&g, "/input_u8", H5T_NATIVE_UINT8, 3 * pixels * (size_t)g.batch, pictures);
    read_values(&g, "/label_disparity", H5T_NATIVE_FLOAT, pixels * (size_t)g.batch, labels);
    for (int i = 0; md_parameter(network, i, &p) == 0; i++) {
        char name[80];
        snprintf(name, sizeof name, "/weights/%s", p.name);
        read_values(&g, name, H5T_NATIVE_FLOAT, p.count, weights + p.offset);
    }
    for (int s = 0; s < g.batch; s++) {
        md_engine_set_picture(&g.rig.engine, s, pictures + (size_t)s * 3 * pixels);
        md_engine_set_label(&g.rig.engine, s, labels + (size_t)s * pixels);
    }
    md_engine_set_weights(&g.rig.engine, weights);
    g.rig.engine.update.learning_rate = 1e-3f;
    free(pictures);
    free(labels);
    free(weights);
    return g;
}

static void close_golden(struct golden *g) {
    rig_stop(&g->rig);
    H5Fclose(g->file);
}

/* The settings reach our update rounded to binary32, with a relative error of up to u = 2^-24, and
 * PyTorch's as they are. SGD moves a weight by lr * g, so by u of that elsewhere. Adam's first move
 * is lr * g / (|g| + eps), whatever the betas (in ours each correction equals its 1 - beta), so at
 * most u lr elsewhere for lr, and u lr for eps. */
static void compare_parameters(struct golden *g) {
    const struct md_engine *engine = &g->rig.engine;
    double *gradients = numbers(MD_FP64, md_parameter_total(engine->setup.network));
    const double *weights = md_engine_weights(engine, 0), u = 0x1p-24, rate = 1e-3;
    take_gradients(engine, gradients);
    enum md_optimizer optimizer = g->rig.engine.setup.optimizer;
    char after[40];
    snprintf(after, sizeof after, "after_%s/", md_optimizer_names[optimizer]);
    struct md_parameter p;
    for (int i = 0; md_parameter(g->rig.engine.setup.network, i, &p) == 0; i++) {
        double largest = 0;
        for (size_t k = 0; k < p.count; k++)
            largest = fmax(largest, fabs(gradients[p.offset + k]));
        compare(g, "weight_grad/", p.name, gradients + p.offset, 0, p.count, p.count,
                same_arithmetic, 0);
        compare(g, after, p.name, weights + p.offset, 0, p.count, p.count, same_arithmetic,
                u * rate * (optimizer == MD_ADAM ? 2 : largest));
    }
    free(gradients);
}

/* What the report holds is rounded to binary32. */
static void compare_report(struct golden *g, const struct md_loss_report *report, double bound) {
    double loss = (double)report->value, c = (double)report->c;
    compare(g, "", "loss", &loss, 0, 1, 1, bound, 0);
    compare(g, "", "c", &c, 0, 1, 1, bound, 0);
}

/* By the optimizers that the files have. */
static void check_golden(const char *file, int tensors) {
    for (int optimizer = MD_SGD; optimizer <= MD_ADAM; optimizer++) {
        struct golden g = open_golden(file, MD_FP64, (enum md_optimizer)optimizer);
        g.rig.engine.observe = compare_tensor;
        g.rig.engine.observe_context = &g;
        struct md_loss_report report = rig_train(&g.rig, g.batch);
        compare_report(&g, &report, 0x1p-24);
        compare_parameters(&g);
        cr_assert_eq(g.compared, tensors, "%d tensors", g.compared);
        close_golden(&g);
    }
}

Test(golden, batch1_fp64) {
    check_golden("golden/step_batch1.h5", 18 + 18 + 2 + 2 * 34);
}
Test(golden, batch4_fp64) {
    check_golden("golden/step_batch4.h5", 4 + 4 + 2 + 2 * 34);
}

static void check_fp32_loss(const char *file) {
    struct golden g = open_golden(file, MD_FP32, MD_SGD);
    struct md_loss_report report = rig_train(&g.rig, g.batch);
    compare_report(&g, &report, 1e-6);
    close_golden(&g);
}

Test(golden, fp32_losses) {
    check_fp32_loss("golden/step_batch1.h5");
    check_fp32_loss("golden/step_batch4.h5");
}
