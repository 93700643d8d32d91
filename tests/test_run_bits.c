/* What the bits of a run depend on, and what they do not: threads, levels, plans. */
#include <criterion/criterion.h>

#include "../core/target/host.h"
#include "../datasets/augment.h"
#include "h5_leaks.h"
#include "runs.h"

TestSuite(run_bits, .timeout = 600);

/* Forced to a level that has a fused multiply-add only in software, where a run takes a hundred
 * times as long: one of a kind, and short, is then compared with the fastest level's. */
static int is_slow(void) {
    const char *level = md_host_level();
    return strcmp(level, "scalar") == 0 || strcmp(level, "ref") == 0;
}

static const char *brief(void) {
    return is_slow() ? "epochs=1 data.val=" : "";
}

static struct trained trained_fast(const char *words) {
    char level[MD_LEVEL_BYTES];
    snprintf(level, sizeof level, "%s", md_host_level());
    if (is_slow())
        unsetenv("MUDEPTH_CPU");
    struct trained done = trained_with(words);
    if (level[0] != '\0')
        setenv("MUDEPTH_CPU", level, 1);
    return done;
}

/* A digest is worth something only when everything that should change it does. (On
 * whatever level: they have the same.) */
H5_TEST(run_bits, digest_depends_on_what_decides_the_weights) {
    static const char *const base =
        "data.count=4 data.val=val[:1] data.test=test[:1] batch=2 epochs=1 lr=0.01";
    static const struct {
        const char *with, *change; /* `change` against nothing, both on top of `with` */
        int matters;
    } cases[] = {{"", "lr=0.02", 1},
                 {"", "seed=1", 1},
                 {"", "batch=1", 1},
                 {"", "epochs=2", 1},
                 {"", "policy=d0", 1},
                 {"", "policy=e+d0+d1+d2", 0},
                 {"", "optimizer=sgd", 1},
                 {"", "loss=l1", 1},
                 {"", "loss=mse", 1},
                 {"", "loss=rel_l1", 1},
                 {"", "loss=depth_l1", 1},
                 {"", "loss=rmse", 1},
                 {"", "loss=silog", 1},
                 {"", "loss=robust", 1},
                 {"", "loss=grad", 1},
                 {"", "loss=vnl", 1},
                 {"loss=vnl", "seed=1", 1},
                 {"", "loss_average=picture", 1},
                 {"", "weight_decay=0.1", 1},
                 {"", "beta1=0.8", 1},
                 {"", "beta2=0.9", 1},
                 {"", "epsilon=1e-3", 1},
                 {"", "loss_scale=1024", 0}, /* comes out again where nothing underflows */
                 {"", "augment=[]", 1},
                 {"", "augment=[flip]", 1},
                 {"", "augment=[flip,gamma,gain,brightness,crop]", 1},
                 {"", "augment=[flip,gamma,gain,brightness,shift]", 1},
                 {"", "augment=[flip,gamma,gain,brightness,noise]", 1},
                 {"", "augment=[flip,gamma,gain,brightness,cutout]", 1},
                 {"", "augment=[flip,gamma,gain,brightness,r2crop]", 1},
                 {"", "augment_probability=0.9", 1},
                 {"", "augment_gamma=0.1", 1},
                 {"", "label_mode=nearest", 1},
                 {"", "label_mode=sparse", 1},
                 {"", "label_mode=pooled", 1},
                 {"label_mode=nearest", "label_mode=pooled", 1},
                 {"", "format=fp64", 1},
                 {"", "select=last", 0},
                 {"", "protocol=release", 0},
                 {"", "flip_at_test=on", 0},
                 {"", "mean_share=0.1", 0},
                 {"", "cap_m=3", 0},
                 {"", "data.seed=2", 1},
                 {"", "data.world=arena", 1},
                 {"", "data.train=other", 1},
                 {"", "data.train=train[:3]", 1},
                 {"", "data.val=other", 0},
                 {"", "data.test=other", 0},
                 {"", "data.max_depth_m=1.5", 1},
                 {"loss=depth_l1", "depth_cap_m=2", 1},
                 {"optimizer=sgd", "momentum=0.5", 1},
                 {"loss=rmse", "depth_cap_m=2", 1},
                 {"loss=rmse", "loss={rmse:1,grad:0.25}", 1},
                 {"loss={rmse:1,grad:0.25}", "loss_weights=dynamic", 1},
                 {"loss=rmse", "loss_average=picture", 0}, /* it is that already */
                 {"loss=rmse", "loss_average=pixel", 1},
                 {"weight_decay=0.1", "decay=decoupled", 1},
                 {"", "warmup=3", 1},
                 {"", "clip_norm=1e-3", 1},
                 {"", "clip_norm=1e6", 0}, /* no gradient is so large */
                 {"epochs=2", "schedule=cosine", 1},
                 {"epochs=2 schedule=cosine", "schedule_by=step", 1},
                 {"schedule=cosine schedule_by=step", "lr_floor=0.5", 1},
                 {"schedule=polynomial schedule_by=step", "lr_power=2", 1},
                 {"format=bf16", "moments=fp32", 1},
                 {"format=bf16", "weight_storage=stochastic", 1},
                 {"format=bf16", "weight_storage=master", 1},
                 {"format=bf16", "weight_storage=kahan", 1},
                 {"format=fp16", "loss_scale=64", 1},
                 {"format=bf16 weight_storage=stochastic", "weight_storage=master", 1},
                 {"format=bf16 weight_storage=stochastic", "weight_storage=kahan", 1}};
    struct trained done[2] = {{.steps = 0}};
    char words[300];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(words, sizeof words, "%s %s", base, cases[i].with);
        if (i == 0 || strcmp(cases[i].with, cases[i - 1].with) != 0)
            done[0] = trained_fast(words);
        snprintf(words, sizeof words, "%s %s %s", base, cases[i].with, cases[i].change);
        done[1] = trained_fast(words);
        cr_assert_eq(strcmp(done[0].digest, done[1].digest) != 0, cases[i].matters, "%s", words);
    }
}

/* More threads than samples share the channels, fewer share the samples. */
H5_TEST(run_bits, digest_is_equal_for_all_numbers_of_threads) {
    static const char *const ways[] = {"batch=1 data.count=3",
                                       "batch=2 data.count=3",
                                       "batch=4",
                                       "batch=4 optimizer=sgd momentum=0.9",
                                       "batch=2 data.count=3 format=bf16 weight_storage=stochastic",
                                       ("batch=2 data.count=3 label_mode=pooled "
                                        "augment=[flip,gain,crop,shift,noise,cutout,r2crop]")};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char words[300];
        snprintf(words, sizeof words, "%s %s", ways[i], brief());
        struct trained one = trained_fast(words);
        for (int threads = is_slow() ? 5 : 2; threads <= 5; threads += i == 0 ? 1 : 3) {
            snprintf(words, sizeof words, "%s %s threads=%d", ways[i], brief(), threads);
            struct trained more = trained_with(words);
            assert_same(&one, &more, words);
        }
    }
}

/* What a plan saves changes no bit. */
H5_TEST(run_bits, digest_is_equal_for_all_plans) {
    static const char *const ways[] = {
        "batch=1 data.count=3 format=bf16",
        "batch=3 data.count=4 policy=e+d1 optimizer=sgd momentum=0.9",
        ("batch=1 data.count=2 format=fp16 weight_storage=master "
         "loss_scale=64 threads=3 label_mode=pooled")};
    static const char *const plans[] = {
        "fast", "share", "lean", "lean+flash", "lean band=5", "lean+flash front=ups0 band=2"};
    enum { PLANS = sizeof plans / sizeof plans[0] };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char words[300];
        snprintf(words, sizeof words, "%s %s plan=plain", ways[i], brief());
        struct trained plain = trained_fast(words);
        for (size_t p = is_slow() ? PLANS - 1 : 0; p < PLANS; p++) {
            snprintf(words, sizeof words, "%s %s plan=%s", ways[i], brief(), plans[p]);
            struct trained planned = trained_with(words);
            assert_same(&plain, &planned, words);
        }
    }
}

/* The widening formats are the slow plain loops once more, and but for fp32 so are ref and, where
 * there are others, scalar; their operators are compared in test_ops.c, and their steps in
 * test_job.c. */
H5_TEST(run_bits, digest_is_equal_on_all_levels) {
    const char *levels[8];
    for (int format = 0; format <= MD_BF16; format++) {
        struct trained first;
        int count = md_ops_levels((enum md_format)format, levels), compared = 0;
        for (int l = 0; l < count; l++) {
            char words[300];
            if (strcmp(levels[l], "blas") == 0 || /* promises no bits */
                (l < (count > 3 ? 2 : 1) && format != MD_FP32))
                continue;
            snprintf(words, sizeof words,
                     "data.count=1 batch=1 epochs=1 data.val= format=%s backend=%s threads=%d",
                     md_format_names[format], levels[l], l % 2 + 1);
            struct trained this = trained_with(words);
            if (compared++ == 0)
                first = this;
            assert_same(&first, &this, words);
        }
        cr_assert(compared > 1 || count == 2, "nothing to compare");
    }
}
