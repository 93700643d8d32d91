/* A comparison finds what it is for, as in test_broken.c: operators on elements, losses, and each
 * optimizer with everything that it may keep, broken on one side only. */
#include "broken.h"

TestSuite(broken_updates, .timeout = 900);

/* Of the format that is tested. */
static struct twins ops;

/* ---- operators on elements ------------------------------------------------------------------- */

/* The second half of the elements is left out, or has the wrong sign. */
static void half_leaky_forward(size_t n, void *y) {
    ops.right->leaky_forward(n / 2, y);
}
static void half_mask(size_t n, const void *y, uint8_t *mask) {
    ops.right->mask(n, y, mask);
    memset(mask + n / 16, 0, (n + 7) / 8 - n / 16);
}
static void half_leaky_backward(size_t n, const uint8_t *mask, size_t first, void *dy) {
    ops.right->leaky_backward(n / 2, mask, first, dy);
}
static void half_add(size_t n, const void *from, void *to) {
    ops.right->add(n / 2, from, to);
}
static void half_from_float(size_t n, const float *from, void *to) {
    ops.right->from_float(n / 2, from, to);
}
static void half_from_bytes(size_t n, const uint8_t *from, void *to) {
    ops.right->from_bytes(n / 2, from, to);
}
static void half_loss(const struct md_objective *objective, const struct md_loss_batch *batch,
                      float scale, struct md_loss_report *report) {
    struct md_loss_batch half = *batch;
    half.pixels /= 2;
    ops.right->loss_gradient(objective, &half, scale, report);
}

/* What overflowed is finite. */
static int always_finite(size_t n, const void *values) {
    (void)n;
    (void)values;
    return 1;
}

/* byte * (1 / 255): rounded twice. */
static void bytes_by_product(size_t n, const uint8_t *from, void *to) {
    for (size_t i = 0; i < n; i++) {
        float product = (float)from[i] * (1.0f / 255.0f);
        ops.right->from_float(1, &product,
                              (unsigned char *)to + i * md_format_bytes[ops.right->format]);
    }
}

/* Towards zero, not to nearest. */
static void truncated_from_float(size_t n, const float *from, void *to) {
    uint16_t *half = to;
    for (size_t i = 0; i < n; i++) {
        float back;
        ops.right->from_float(1, &from[i], &half[i]);
        ops.right->to_float(1, &half[i], &back);
        half[i] -= fabsf(back) > fabsf(from[i]);
    }
}

#define SLOT(name, member, function)                                                               \
    static void name(struct md_ops *table) {                                                       \
        table->member = function;                                                                  \
    }
SLOT(set_leaky_forward, leaky_forward, half_leaky_forward)
SLOT(set_mask, mask, half_mask)
SLOT(set_leaky_backward, leaky_backward, half_leaky_backward)
SLOT(set_add, add, half_add)
SLOT(set_from_float, from_float, half_from_float)
SLOT(set_truncation, from_float, truncated_from_float)
SLOT(set_from_bytes, from_bytes, half_from_bytes)
SLOT(set_bytes_by_product, from_bytes, bytes_by_product)
SLOT(set_loss, loss_gradient, half_loss)
SLOT(set_finite, finite, always_finite)
SLOT(set_wide_loss, loss_gradient, ops.wide->loss_gradient)

static const struct {
    const char *name;
    void (*set)(struct md_ops *table);
    const char *first;
    unsigned formats; /* bits of places in formats[] */
    enum md_loss loss;
    uint32_t batch, loss_scale_log2;
} elementwise[] = {
#define ALL     7u
#define HALVES  6u
#define ERROR   "step 0, error of pool, sample 0, value "
#define PICTURE "step 0, activation of conv0, sample 0, value "
    {"leaky", set_leaky_forward, PICTURE, ALL, MD_BERHU, 1, 0},
    {"mask", set_mask, "step 0, error of conv4, sample 0, value ", ALL, MD_BERHU, 1, 0},
    {"leaky backward", set_leaky_backward, "step 0, weight gradient of conv3, sample 0, value ",
     ALL, MD_BERHU, 1, 0},
    {"add", set_add, "step 0, weight of conv0, value ", ALL, MD_BERHU, 2, 0},
    {"from float", set_from_float, PICTURE, ALL, MD_BERHU, 1, 0},
    {"from float, rounding", set_truncation, PICTURE, HALVES, MD_BERHU, 1, 0},
    {"from bytes", set_from_bytes, PICTURE, ALL, MD_BERHU, 1, 0},
    {"from bytes, rounding", set_bytes_by_product, PICTURE, 1u, MD_BERHU, 1, 0},
    {"finite", set_finite, "step 0, weight of conv0, value ", 2u, MD_BERHU, 1, 24},
    {"berhu", set_loss, ERROR, ALL, MD_BERHU, 1, 0},
    {"l1", set_loss, ERROR, ALL, MD_L1, 1, 0},
    {"mse", set_loss, ERROR, ALL, MD_MSE, 1, 0},
    {"rel_l1", set_loss, ERROR, ALL, MD_REL_L1, 1, 0},
    {"depth_l1", set_loss, ERROR, ALL, MD_DEPTH_L1, 1, 0},
    {"rmse", set_loss, ERROR, ALL, MD_LOSS_RMSE, 1, 0},
    {"silog", set_loss, ERROR, ALL, MD_LOSS_SILOG, 1, 0},
    {"robust", set_loss, ERROR, ALL, MD_LOSS_ROBUST, 1, 0},
    {"grad", set_loss, ERROR, ALL, MD_LOSS_GRAD, 1, 0},
    {"vnl", set_loss, ERROR, ALL, MD_LOSS_VNL, 1, 0},
    {"photometric", set_loss, "step 0, error of relu, sample 0, value ", ALL, MD_LOSS_PHOTOMETRIC,
     1, 0},
    {"berhu, rounding", set_wide_loss, ERROR, HALVES, MD_BERHU, 1, 0},
    {"l1, rounding", set_wide_loss, "step 0, loss, value 0 ", HALVES, MD_L1, 1, 0},
    {"mse, rounding", set_wide_loss, ERROR, HALVES, MD_MSE, 1, 0},
    {"rel_l1, rounding", set_wide_loss, ERROR, HALVES, MD_REL_L1, 1, 0},
    {"depth_l1, rounding", set_wide_loss, ERROR, HALVES, MD_DEPTH_L1, 1, 0},
};

Test(broken_updates, operators_on_elements_are_found) {
    for (size_t e = 0; e < LENGTH(elementwise); e++)
        for (size_t f = 0; f < LENGTH(formats); f++) {
            if ((elementwise[e].formats >> f & 1u) == 0)
                continue;
            struct md_job job = job_of_all(formats[f][0], MD_AVERAGE_POOL);
            ops = twins_of(f);
            struct md_ops wrong = *ops.right;
            job.objective.weight[MD_BERHU] = 0;
            job.objective.weight[elementwise[e].loss] = 1;
            if (elementwise[e].loss == MD_LOSS_PHOTOMETRIC) /* of outputs of the picture's size */
                job.network.layer_count--;
            job.batch = elementwise[e].batch;
            job.hyper.loss_scale_log2 = elementwise[e].loss_scale_log2;
            elementwise[e].set(&wrong);
            assert_first(&job, &wrong, elementwise[e].first, elementwise[e].name);
        }
}

/* ---- optimizers ------------------------------------------------------------------------------ */

enum update_way {
    RIGHT,
    LAST,         /* the last element is nobody's */
    DRAWS,        /* each element has the next one's random bits */
    COEFFICIENTS, /* rounded to the format before they are used */
    UNFUSED,      /* plain SGD: the operator of the wide format, which rounds nothing but weights */
    RATE,         /* the learning rate of the step before */
    DECAY,        /* added to the gradient, which is rounded to the format */
    WEIGHT,       /* ... of the first element, and the others, are the neighbouring number */
    FIRST_MOMENT,
    SECOND_MOMENT,
    BESIDE,
    UPDATE_WAYS
};

static struct {
    enum update_way way;
    uint32_t optimizer;
    float rate; /* of the step before */
    uint64_t step;
} updating;

static float rounded(float value) {
    uint32_t room;
    ops.right->from_float(1, &value, &room);
    ops.right->to_float(1, &room, &value);
    return value;
}

static void flip(void *array) {
    if (array != NULL)
        *(unsigned char *)array ^= 1;
}

static void broken_update(size_t n, const struct md_update *update, const void *gradient,
                          const struct md_optimizer_state *kept, void *weight) {
    const struct md_ops *by = updating.way == UNFUSED ? ops.wide : ops.right;
    struct md_update u = *update;
    struct md_optimizer_state k = *kept;
    void *decayed = NULL;
    static float before;
    if (updating.step != u.step)
        before = updating.step == 0 ? u.learning_rate : updating.rate;
    updating.step = u.step;
    updating.rate = u.learning_rate;
    if (updating.way == RATE)
        u.learning_rate = before;
    if (updating.way == DRAWS)
        k.index++;
    if (updating.way == COEFFICIENTS) {
        float *const coefficients[] = {&u.learning_rate, &u.hyper.momentum, &u.hyper.beta1,
                                       &u.hyper.beta2};
        for (size_t i = 0; i < LENGTH(coefficients); i++)
            *coefficients[i] = rounded(*coefficients[i]);
    }
    if (updating.way == DECAY) {
        float *g = numbers(MD_FP32, n), *w = numbers(MD_FP32, n);
        decayed = numbers(ops.right->format, n);
        ops.right->to_float(n, gradient, g);
        ops.right->to_float(n, weight, w);
        for (size_t i = 0; i < n; i++)
            g[i] += u.hyper.weight_decay * w[i];
        ops.right->from_float(n, g, decayed);
        u.hyper.weight_decay = 0.0f;
        free(g);
        free(w);
    }
    by->update[updating.optimizer](n - (updating.way == LAST), &u,
                                   decayed != NULL ? decayed : gradient, &k, weight);
    free(decayed);
    flip(updating.way == WEIGHT          ? weight
         : updating.way == FIRST_MOMENT  ? kept->first
         : updating.way == SECOND_MOMENT ? kept->second
         : updating.way == BESIDE        ? kept->beside
                                         : NULL);
}

/* Whether the way is wrong at all for such an update, and the first difference then. */
static int shows(enum update_way way, const struct md_job *job, const char **first) {
    int half = job->format != MD_FP32;
    int moments = md_optimizer_moments[job->optimizer][job->hyper.momentum > 0.0f];
    int in_format = job->optimizer == MD_SGD && job->storing == MD_STORE_PLAIN &&
                    job->hyper.loss_scale_log2 == 0 &&
                    (job->hyper.momentum == 0.0f || job->moments == MD_MOMENTS_FORMAT);
    static const char *const firsts[UPDATE_WAYS] = {
        [RIGHT] = "",
        [LAST] = "step 0, weight of conv0, value 111 of 112",
        [DRAWS] = "step 0, weight of conv0, value ",
        [COEFFICIENTS] = NULL, /* of an update, where nothing absorbs it */
        [UNFUSED] = NULL,
        [RATE] = "step 1, weight of conv0, value ",
        [DECAY] = NULL,
        [WEIGHT] = "step 0, weight of conv0, value 0 of 112",
        [FIRST_MOMENT] = "step 0, first moment of conv0, value 0 of 112",
        [SECOND_MOMENT] = "step 0, second moment of conv0, value 0 of 112",
        [BESIDE] = "step 0, beside the weight of conv0, value 0 of 112"};
    const int applies[UPDATE_WAYS] = {[RIGHT] = 1,
                                      [LAST] = 1,
                                      [DRAWS] = half && job->storing == MD_STORE_STOCHASTIC,
                                      [COEFFICIENTS] = half && !in_format,
                                      [UNFUSED] = half && in_format,
                                      [RATE] = 1,
                                      [DECAY] = half && !in_format,
                                      [WEIGHT] = 1,
                                      [FIRST_MOMENT] = moments >= 1,
                                      [SECOND_MOMENT] = moments >= 2,
                                      [BESIDE] = job->storing == MD_STORE_MASTER ||
                                                 job->storing == MD_STORE_KAHAN};
    *first = firsts[way];
    return applies[way];
}

static void check_update(struct md_job job, enum update_way way, const char *first) {
    struct md_ops wrong = *ops.right;
    struct md_comparison result;
    char what[200];
    snprintf(what, sizeof what, "%s, momentum %g, storing %s, moments %s, way %d",
             md_optimizer_names[job.optimizer], (double)job.hyper.momentum,
             md_storing_names[job.storing], md_moments_names[job.moments], way);
    updating.way = way;
    updating.optimizer = job.optimizer;
    updating.step = 0;
    wrong.update[job.optimizer] = broken_update;
    if (first != NULL) {
        assert_first(&job, &wrong, first, what);
        return;
    }
    result = against(&job, &wrong, what);
    cr_assert(strstr(result.first, ", weight of ") != NULL ||
                  strstr(result.first, " moment of ") != NULL ||
                  strstr(result.first, ", beside the weight of ") != NULL,
              "%s in %s: found \"%s\"", what, md_format_names[job.format], result.first);
}

/* Each optimizer with everything that it may keep. */
Test(broken_updates, optimizers_are_found) {
    static const struct {
        enum md_optimizer optimizer;
        float momentum;
    } optimizers[] = {{MD_SGD, 0.0f}, {MD_SGD, 0.9f}, {MD_ADAM, 0.0f}};
    const char *first;
    int count = 0;
    for (size_t f = 0; f < LENGTH(formats); f++)
        for (size_t o = 0; o < LENGTH(optimizers); o++)
            for (unsigned kept = 0; kept < MD_STORING_COUNT * MD_MOMENTS_COUNT; kept++) {
                struct md_job job = job_of_all(formats[f][0], MD_AVERAGE_POOL);
                job.optimizer = optimizers[o].optimizer;
                job.hyper.momentum = optimizers[o].momentum;
                job.storing = kept % MD_STORING_COUNT;
                job.moments = kept / MD_STORING_COUNT;
                job.hyper.weight_decay = 0.01f;
                ops = twins_of(f);
                for (enum update_way way = RIGHT; way < UPDATE_WAYS; way++)
                    if (shows(way, &job, &first)) {
                        check_update(job, way, first);
                        count++;
                    }
            }
    cr_assert_gt(count, 300);
}
