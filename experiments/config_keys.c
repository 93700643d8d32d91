#include "config_keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/augment.h"
#include "../datasets/sensor.h"
#include "nearest.h"

static const char *const select_names[] = {"best", "last", NULL};
static const char *const schedule_names[] = {"constant", "cosine", "polynomial", NULL};
static const char *const pace_names[] = {"epoch", "step", NULL};
static const char *const network_names[] = {"upydnet", "upydnet_large", NULL};

/* ---- the table of keys ----------------------------------------------------------------------- */

/* What keys are for. Sets with depth maps are all but those whose sensor is real; a cache has
 * labels that were made of its maps before. */
#define REAL_SENSORS "matrix, recording"
#define HAVE_MAPS    "!" REAL_SENSORS
#define READ_MAPS    "!" REAL_SENSORS ", cache"
static const struct use of_adam = {.with = {{"optimizer", "adam"}}},
                        of_sgd = {.with = {{"optimizer", "sgd"}}},
                        of_moments = {.with = {{"optimizer", "adam"}, {"momentum", "!0"}}},
                        of_depth_cap = {.with = {{"loss", "depth_l1, rmse, silog, robust, grad"}}},
                        of_textbook = {.with = {{"protocol", "textbook"}}}, /* release flips */
    of_schedule = {.with = {{"schedule", "!constant"}}},
                        of_polynomial = {.with = {{"schedule", "polynomial"}}},
                        of_decay = {.with = {{"weight_decay", "!0"}}},
                        of_augment = {.with = {{"augment", "![]"}}},
                        of_gamma = {.with = {{"augment", "[gamma"}}},
                        of_gain = {.with = {{"augment", "[gain"}}},
                        of_brightness = {.with = {{"augment", "[brightness"}}},
                        of_cropping = {.with = {{"augment", "[crop"}}},
                        of_shift = {.with = {{"augment", "[shift"}}},
                        of_noise = {.with = {{"augment", "[noise"}}},
                        of_cutout = {.with = {{"augment", "[cutout"}}},
                        of_stream = {.with = {{"plan", "!auto, plain, fast"}}},
                        of_val = {.with = {{"val", "!"}}, .idle = "last"};
static const struct use
    of_files = {.set = {"set", "!synthetic"}},
    of_val_files = {.set = {"set", "!synthetic"}, .with = {{"val", "!"}}},
    of_target = {.with = {{"set", "recording"}, {"targets", "!1"}}},
    of_frames = {.set = {"set", "matrix"}},
    of_gate_frames = {.set = {"set", "matrix"}, .with = {{"frames", "!1"}}},
    of_zones = {.set = {"alignment", "crop"},
                .with = {{"set", REAL_SENSORS ", micro, cache"}, {"label", "tof8"}}},
    of_world = {.set = {"set", "synthetic"}, .idle = ""},
    of_seed = {.with = {{"set", "synthetic"}, {"sensor", "vl53l5cx"}}},
    of_side = {.set = {"set", REAL_SENSORS}}, of_nearest = {.set = {"set", "!cache"}},
    of_farthest = {.set = {"set", "!cache"}, .idle = "0, 4"}, /* what a cache has */
    of_depth = {.set = {"set", "kitti, kitti-object"}},
    of_png_depths = {.set = {"set", "nyu-folder, 7scenes, sunrgbd, rgbd"}},
    of_picture = {.set = {"set", REAL_SENSORS
                          ", kitti, kitti-object, kitti-stereo, kitti-stereo-2012, h5"},
                  .idle = ""},
    of_maps = {.set = {"set", HAVE_MAPS}},
    of_crop = {.set = {"set", READ_MAPS}, .with = {{"truth", "full"}}},
    of_tof8 = {.set = {"set", READ_MAPS}, .with = {{"label", "tof8"}}},
    of_device = {.set = {"set", READ_MAPS}, .with = {{"sensor", "vl53l5cx"}}},
    of_view = {.set = {"set", HAVE_MAPS}, .with = {{"alignment", "crop"}, {"label", "tof8"}}},
    of_aim = {.set = {"set", HAVE_MAPS}, .with = {{"camera_fov_h_deg", "!0"}}};

#define AT(type, field) offsetof(struct type, field), sizeof((struct type *)0)->field

static const struct key run_keys[] = {
    {"weights", TEXT, AT(md_config, weights), 0, 0, NULL, NULL, BY_DIGEST,
     "weights file (HDF5, result cell, or published .pth) to start from, or scratch", NULL},
    {"network", CHOICE, AT(md_config, network), 0, 0, network_names, "upydnet", 1, "network table",
     NULL},
    {"format", CHOICE, AT(md_config, format), 0, 0, md_format_names, "fp32", 1, "number format",
     NULL},
    {"backend", TEXT, AT(md_config, backend), 0, 0, NULL, "", 1,
     "operators: ref, scalar, avx2, avx512, avx512fp16, neon, neonfp16 (...fp16: of fp16; all the "
     "same bits), blas (of fp32, not bit-exact); empty: the fastest exact",
     NULL},
    {"policy", POLICY, AT(md_config, policy), 0, 0, NULL, "d0", 1,
     "blocks that learn: e, d0, d1, d2 joined by +, or full; auto: the best published that fits",
     NULL},
    {"budget_kb", COUNT, AT(md_config, budget_kb), 0, 100000000, NULL, "0", 0,
     "memory of the device in kB of 1,000 bytes: a step that needs more is refused; 0: no limit",
     NULL},
    {"plan", PLAN, AT(md_config, plan), 0, 0, NULL, "auto", 0,
     "how a step saves memory, never changing a bit: plain (not at all), fast, lean (as far as "
     "possible), or share, at_once, together, again, stream, flash joined by +; auto: the fastest "
     "that fits into budget_kb",
     NULL},
    {"band", COUNT, AT(md_config, band), 0, 4096, NULL, "0", 0,
     "rows of a streamed layer at a time; 0: as many of 8, 4, 2, 1 as fit into budget_kb, or 1",
     &of_stream},
    {"front", TEXT, AT(md_config, front), 0, 0, NULL, "auto", 0,
     "first layer that is streamed; auto: the last transposed convolution", &of_stream},
    {"loss", LOSSES, AT(md_config, loss), 1e-6, 1000, md_loss_names, "berhu", 1,
     "loss, or a sum with weights such as {rmse: 1, grad: 0.25}; of disparity berhu, l1, mse, "
     "rel_l1, of depth the others: rmse (each picture's root of the mean square, averaged over "
     "pictures), silog (scale-invariant, lambda 0.85), robust (pseudo-Huber, c = 2 m), grad (of "
     "differences to neighbours)",
     NULL},
    {"loss_average", CHOICE, AT(md_config, average), 0, 0, md_average_names, "own", UNLESS_DEFAULT,
     "what a loss is a mean over: all valid pixels of the batch, or those of each picture and then "
     "over pictures; own: pixel, but of rmse picture",
     NULL},
    {"depth_cap_m", REAL, AT(md_config, depth_cap_m), 0.1, 1000, NULL, "5", 1,
     "depth beyond which it is linear in disparity", &of_depth_cap},
    {"optimizer", CHOICE, AT(md_config, optimizer), 0, 0, md_optimizer_names, "adam", 1,
     "optimizer", NULL},
    {"lr", REAL, AT(md_config, learning_rate), 0, 10, NULL, "0.001", 1, "learning rate", NULL},
    {"schedule", CHOICE, AT(md_config, schedule), 0, 0, schedule_names, "constant", 1,
     "how the learning rate falls, from lr to lr_floor of it", NULL},
    {"schedule_by", CHOICE, AT(md_config, pace), 0, 0, pace_names, "epoch", UNLESS_DEFAULT,
     "when it does: once an epoch, or at every step", &of_schedule},
    {"lr_floor", REAL, AT(md_config, lr_floor), 0, 1, NULL, "0", UNLESS_DEFAULT,
     "the share of lr that is left at the end", &of_schedule},
    {"lr_power", REAL, AT(md_config, lr_power), 0.01, 100, NULL, "0.9", UNLESS_DEFAULT,
     "exponent of what is left of the run", &of_polynomial},
    {"warmup", COUNT, AT(md_config, warmup), 0, 1000000, NULL, "0", UNLESS_DEFAULT,
     "steps over which the learning rate rises linearly to what the schedule says", NULL},
    {"momentum", REAL, AT(md_config, momentum), 0, 0.9999, NULL, "0", 1, "momentum", &of_sgd},
    {"weight_decay", REAL, AT(md_config, weight_decay), 0, 1, NULL, "0", 1, "weight decay", NULL},
    {"decay", CHOICE, AT(md_config, decay), 0, 0, md_decay_names, "l2", UNLESS_DEFAULT,
     "what weight decay is: a part of the gradient of weights and biases, or, as in AdamW, a step "
     "of "
     "its own of the weights alone",
     &of_decay},
    {"beta1", REAL, AT(md_config, beta1), 0, 0.99999, NULL, "0.9", 1, "Adam's", &of_adam},
    {"beta2", REAL, AT(md_config, beta2), 0, 0.99999, NULL, "0.999", 1, "Adam's", &of_adam},
    {"epsilon", REAL, AT(md_config, epsilon), 1e-12, 1, NULL, "1e-7", 1, "Adam's", &of_adam},
    {"clip_norm", REAL, AT(md_config, clip_norm), 0, 1e6, NULL, "0", UNLESS_DEFAULT,
     "a gradient whose L2 norm, over all that learns, is larger is scaled down to it; 0: none is; "
     "all gradients are kept until then, which takes memory at batch 1",
     NULL},
    {"moments", CHOICE, AT(md_config, moments), 0, 0, md_moments_names, "format", 1,
     "what Adam's two moments and SGD's momentum are kept in; fp32: 4 bytes each", &of_moments},
    {"loss_scale", POWER, AT(md_config, loss_scale), 1, 1 << MD_MOST_LOSS_SCALE_LOG2, NULL, "1", 1,
     "power of two that gradients are multiplied by until the update; steps that overflow are "
     "skipped",
     NULL},
    {"update", CHOICE, AT(md_config, storing), 0, 0, md_storing_names, "plain", 1,
     "how 16-bit weights take small steps, with more bytes for each that learns: plain 0, "
     "stochastic rounding 0, fp32 master 4, kahan compensation 2",
     NULL},
    {"batch", COUNT, AT(md_config, batch), 1, 256, NULL, "16", 1, "samples per step", NULL},
    {"epochs", COUNT, AT(md_config, epochs), 0, 100000, NULL, "1", 1, "passes over the train split",
     NULL},
    {"seed", SEED, AT(md_config, seed), 0, 0, NULL, "0", 1,
     "of the sample order, the augmentation and weights from scratch", NULL},
    {"augment", BITS, AT(md_config, augment.set), 0, 0, md_augment_names,
     "[flip, gamma, gain, brightness]", 1,
     "list of augmentations; there are also crop (a part, enlarged), shift (and zoom), noise (of "
     "the "
     "camera), cutout (a square becomes the mean colour) and r2crop (always: a part of one of "
     "three "
     "sizes, which keeps its scale, the rest black)",
     NULL},
    {"augment_probability", REAL, AT(md_config, augment.probability), 0, 1, NULL, "0.5",
     UNLESS_DEFAULT, "of each but r2crop", &of_augment},
    {"augment_gamma", REAL, AT(md_config, augment.gamma), 0, 0.95, NULL, "0.2", UNLESS_DEFAULT,
     "most that gamma differs from 1", &of_gamma},
    {"augment_gain", REAL, AT(md_config, augment.gain), 0, 1, NULL, "0.2", UNLESS_DEFAULT,
     "most that a channel's gain differs from 1", &of_gain},
    {"augment_brightness", REAL, AT(md_config, augment.brightness), 1, 10, NULL, "2",
     UNLESS_DEFAULT, "most that pictures become brighter by, and darker", &of_brightness},
    {"augment_crop", REAL, AT(md_config, augment.crop), 0.05, 1, NULL, "0.5", UNLESS_DEFAULT,
     "least share of the sides", &of_cropping},
    {"augment_shift", COUNT, AT(md_config, augment.shift), 0, 24, NULL, "3", UNLESS_DEFAULT,
     "most pixels, in every direction", &of_shift},
    {"augment_zoom", REAL, AT(md_config, augment.zoom), 0, 0.5, NULL, "0.1", UNLESS_DEFAULT,
     "most that a shift enlarges or reduces by, a share of the sides", &of_shift},
    {"augment_noise", REAL, AT(md_config, augment.noise), 0, 100, NULL, "8", UNLESS_DEFAULT,
     "most standard deviation of noise, in units of a byte; it is drawn anew for each picture",
     &of_noise},
    {"augment_cutout", REAL, AT(md_config, augment.cutout), 0, 1, NULL, "0.3", UNLESS_DEFAULT,
     "side of the square, a share of the picture's", &of_cutout},
    {"label", CHOICE, AT(md_config, label), 0, 0, md_label_mode_names, "bilinear", 1,
     "how the zones of an 8x8 label become pixels: sparse has only their centres, pooled takes the "
     "prediction's nearest points to the zones instead",
     NULL},
    {"select", CHOICE, AT(md_config, select), 0, 0, select_names, "best", 1,
     "weights to keep: of the epoch with the best validation loss, or the last", &of_val},
    {"protocol", CHOICE, AT(md_config, protocol), 0, 0, md_protocol_names, "textbook", 1,
     "evaluation protocol", NULL},
    {"flip_at_test", CHOICE, AT(md_config, flip_at_test), 0, 0, md_flip_names, "off",
     UNLESS_DEFAULT,
     "evaluation: predictions are the mean disparity of the picture's and, mirrored back, the "
     "mirrored picture's; a second forward pass",
     &of_textbook},
    {"cap_m", CAPS, AT(md_config, caps), 0.1, 1000, NULL, "80", 1,
     "evaluation: truth beyond it does not count; or a list such as [80, 15, 25, 50], of which the "
     "first is used wherever one is, and all are reported",
     NULL},
    {"threads", COUNT, AT(md_config, threads), 1, 64, NULL, "1", 0,
     "cores to use; the results do not depend on it", NULL},
    {"checkpoint_s", COUNT, AT(md_config, checkpoint_s), 0, 1000000, NULL, "60", 0,
     "seconds between two checkpoints: what a run that is killed loses at most, and --resume goes "
     "on from; 0: after every step",
     NULL},
};

static const struct key data_keys[] = {
    {"set", TEXT, AT(md_data_spec, set), 0, 0, md_data_set_names, NULL, 1, "which data set", NULL},
    {"root", TEXT, AT(md_data_spec, root), 0, 0, NULL, "", BY_DIGEST,
     "folder or file of the data set", &of_files},
    {"fraction", COUNT, AT(md_data_spec, fraction), 1, 100, NULL, "100", 1,
     "percent of the samples to take (micro sets: NAME_10perc.csv and the like); of a run's test "
     "split always all",
     NULL},
    {"target", CHOICE, AT(md_data_spec, target), 0, 0, md_target_names, "auto", UNLESS_DEFAULT,
     "which valid target of a zone with several is the label; auto: the nearest, but in recordings "
     "none; in a run: of the training split",
     &of_target},
    {"statuses", CHOICE, AT(md_data_spec, statuses), 0, 0, md_statuses_names, "valid",
     UNLESS_DEFAULT,
     "a zone has a value with one target of status 5 or 9, of 5 only, or also of 6 and 10, which "
     "were "
     "not seen in the frame before; in a run, as all four of these: of the training split",
     &of_side},
    {"frames", COUNT, AT(md_data_spec, frames), 1, MD_MOST_FRAMES, NULL, "1", UNLESS_DEFAULT,
     "of so many frames of the sensor, the nearest in time to a picture and within 100 ms, its "
     "zones have the median",
     &of_frames},
    {"gate_frames", REAL, AT(md_data_spec, gate_frames), 0, 10, NULL, "0", UNLESS_DEFAULT,
     "a zone is kept only when it has a value in at least two of them, and these are at most this "
     "share of its depth apart; 0: kept anyway",
     &of_gate_frames},
    {"gate_neighbours", REAL, AT(md_data_spec, gate_neighbours), 0, 10, NULL, "0", UNLESS_DEFAULT,
     "a zone is kept only when at least half of the values around it, and at least one, differ by "
     "at most this share of its depth; 0: kept anyway",
     &of_zones},
    {"min_zones", COUNT, AT(md_data_spec, min_zones), 0, 64, NULL, "0", UNLESS_DEFAULT,
     "a picture with fewer valid zones is left out; in a run: of the training split", &of_zones},
    {"label", CHOICE, AT(md_data_spec, label), 0, 0, md_label_grid_names, "dense", 1,
     "labels for every pixel, or what an 8x8 sensor would have seen, "
     "which "
     "then goes the way of field sets",
     &of_maps},
    {"sensor", CHOICE, AT(md_data_spec, sensor), 0, 0, md_sensor_model_names, "pool", 1,
     "a model of the device with its faults, or the nearest point of each zone, as "
     "published",
     &of_tof8},
    {"targets", COUNT, AT(md_data_spec, targets), 1, MD_MOST_TARGETS, NULL, "1", 1,
     "most that a zone reports, nearest first; the label is the nearest valid one", &of_device},
    {"ambient", REAL, AT(md_data_spec, ambient), 0, 1000, NULL, "0", 1,
     "light from outside, as the signal of a surface: its reflectance / distance^2", &of_device},
    {"sensor_fov_deg", REAL, AT(md_data_spec, sensor_fov_deg), 0.1, 179, NULL, "45", 1,
     "what the sensor sees, both ways", &of_aim},
    {"camera_fov_h_deg", REAL, AT(md_data_spec, camera_fov_h_deg), 0, 179, NULL, "0", 1,
     "what the picture shows from left to right; 0, both: the same as the sensor sees", &of_view},
    {"camera_fov_v_deg", REAL, AT(md_data_spec, camera_fov_v_deg), 0, 179, NULL, "0", 1,
     "and from top to bottom", &of_view},
    {"alignment", CHOICE, AT(md_data_spec, alignment), 0, 0, md_alignment_names, "crop", 1,
     "cut picture and depth to what the sensor sees, or have labels only there "
     "(tof8)",
     &of_aim},
    {"truth", CHOICE, AT(md_data_spec, truth), 0, 0, md_truth_kind_names, "full", 1,
     "what predictions are judged by: the map in its own size, or the "
     "label",
     &of_maps},
    {"evaluation_crop", CHOICE, AT(md_data_spec, evaluation_crop), 0, 0, md_evaluation_crop_names,
     "none", 1, "the part of such a map that is looked at", &of_crop},
    {"depth", CHOICE, AT(md_data_spec, depth), 0, 0, md_depth_source_names, "auto", 1,
     "which depth of a frame; auto: the first of the others that it has", &of_depth},
    {"depth_per_m", REAL, AT(md_data_spec, depth_per_m), 1e-3, 1e6, NULL, "1000", 1,
     "how many units of a 16-bit depth PNG are a metre (TUM: 5000); 1000: the "
     "millimetre. Values of 0 and 65535 are no depth",
     &of_png_depths},
    {"picture", CHOICE, AT(md_data_spec, picture), 0, 0, md_picture_part_names, "square", 1,
     "what is used of a picture: 360x360 pixels at the top, in the middle (matrix, recording: what "
     "the sensor sees), or all, squeezed (there: with labels only where the sensor sees)",
     &of_picture},
    {"world", TEXT, AT(md_data_spec, world), 0, 0, md_world_names, "field", 1, "which world",
     &of_world},
    {"seed", SEED, AT(md_data_spec, seed), 0, 0, NULL, "1", 1,
     "which place; or of the device's faults", &of_seed},
    {"count", COUNT, AT(md_data_spec, count), 1, 1000000, NULL, "400", 1, "samples of the split",
     &of_world},
    {"min_depth_m", REAL, AT(md_data_spec, min_depth_m), 0, 100, NULL, "0.02", 1,
     "a nearer reading is no value", &of_nearest},
    {"max_depth_m", REAL, AT(md_data_spec, max_depth_m), 0, 1000, NULL, "0", 1,
     "a reading beyond it (field sets: or at it) is no value; 0: the set's own range",
     &of_farthest},
    {"crop", COUNT, AT(md_data_spec, crop), 0, 16384, NULL, "0", 1,
     "side of the centred square of a picture that the sensor sees, pixels; 0: "
     "the set's own",
     &of_side},
};
static const struct key split_key[] = {{"split", TEXT, AT(md_data_spec, split), 0, 0, NULL, NULL, 1,
                                        "which samples; a trailing [a:b] cuts out a part", NULL}};
static const struct key splits_keys[] = {
    {"train", TEXT, AT(md_config, train), 0, 0, NULL, "train", 1, "split to learn from", NULL},
    {"val", TEXT, AT(md_config, val), 0, 0, NULL, "val", 1,
     "split that chooses the epoch; empty: none", NULL},
    {"test", TEXT, AT(md_config, test), 0, 0, NULL, "test", 1, "split to report on", NULL},
    {"train.root", TEXT, AT(md_config, train_root), 0, 0, NULL, "", BY_DIGEST,
     "folder or file of the train split alone; empty: data.root", &of_files},
    {"val.root", TEXT, AT(md_config, val_root), 0, 0, NULL, "", BY_DIGEST, "of the val split",
     &of_val_files},
    {"test.root", TEXT, AT(md_config, test_root), 0, 0, NULL, "", BY_DIGEST, "of the test split",
     &of_files},
    {"evaluation_min_zones", COUNT, AT(md_config, evaluation_min_zones), 0, 64, NULL, "0",
     UNLESS_DEFAULT, "data.min_zones of the val and test splits", &of_zones},
};

_Static_assert(sizeof run_keys / sizeof run_keys[0] <= MOST_KEYS &&
                   sizeof data_keys / sizeof data_keys[0] <= MOST_KEYS,
               "struct section has a bit for each key");

#define SECTION(prefix, keys, fields)                                                              \
    { prefix, keys, sizeof keys / sizeof keys[0], fields, 0, NULL }

void md_config_sections(struct md_config *config, struct section sections[RUN_SECTIONS]) {
    const struct section all[RUN_SECTIONS] = {SECTION("", run_keys, config),
                                              SECTION("data.", data_keys, &config->data),
                                              SECTION("data.", splits_keys, config)};
    memcpy(sections, all, sizeof all);
}

void md_data_sections(struct md_data_spec *spec, struct section sections[2]) {
    const struct section both[2] = {SECTION("", data_keys, spec), SECTION("", split_key, spec)};
    memcpy(sections, both, sizeof both);
}

/* ---- writing --------------------------------------------------------------------------------- */

void md_join_names(const char *const *names, char *text, size_t size) {
    text[0] = '\0';
    for (int i = 0; names[i] != NULL; i++)
        snprintf(text + strlen(text), size - strlen(text), "%s%s", i > 0 ? ", " : "", names[i]);
}

void md_config_quote(const char *text, char *quoted, size_t size) {
    size_t n = 0;
    quoted[n++] = '\'';
    for (; *text != '\0' && n + 4 < size; text++) {
        if (*text == '\'')
            quoted[n++] = '\'';
        quoted[n++] = *text;
    }
    quoted[n++] = '\'';
    quoted[n] = '\0';
}

/* A decimal number that reads back as this one: always in 17 digits, and the shortest. */
static void format_full(double value, char *text, size_t size) {
    snprintf(text, size, "%.17g", value);
}
static void format_shortest(double value, char *text, size_t size) {
    char one[32];
    format_full(value, text, size);
    for (int digits = 1; digits < 17; digits++) {
        snprintf(one, sizeof one, "%.*g", digits, value);
        if (strtod(one, NULL) == value && strlen(one) < strlen(text)) /* 80, and not 8e+01 */
            snprintf(text, size, "%s", one);
    }
}

/* A single one stands without brackets, as it is given. */
static void format_caps(const struct md_caps *caps, void (*format)(double, char *, size_t),
                        char *text, size_t size) {
    size_t length = (size_t)snprintf(text, size, "%s", caps->count > 1 ? "[" : "");
    for (int c = 0; c < caps->count; c++) {
        char number[32];
        format(caps->m[c], number, sizeof number);
        length += (size_t)snprintf(text + length, size - length, "%s%s", c > 0 ? ", " : "", number);
    }
    snprintf(text + length, size - length, "%s", caps->count > 1 ? "]" : "");
}

/* Whether the field is a text. */
static int is_text(const struct key *key) {
    return key->type == TEXT || key->type == POLICY || key->type == PLAN;
}

/* A single loss of weight 1 is its name. */
static void format_losses(const struct md_losses *losses, void (*format)(double, char *, size_t),
                          char *text, size_t size) {
    size_t length = 0;
    for (int l = 0; l < MD_LOSS_COUNT; l++) {
        char number[32];
        if (losses->weight[l] == 0.0)
            continue;
        format(losses->weight[l], number, sizeof number);
        length += (size_t)snprintf(text + length, size - length, "%s%s: %s",
                                   length > 0 ? ", " : "{", md_loss_names[l], number);
    }
    snprintf(text + length, size - length, "}");
    for (int l = 0; l < MD_LOSS_COUNT; l++)
        if (losses->weight[l] == 1.0 && strchr(text, ',') == NULL)
            snprintf(text, size, "%s", md_loss_names[l]);
}

static void format_value(const struct key *key, const void *fields, char *text, size_t size) {
    const void *field = (const char *)fields + key->offset;
    int number;
    unsigned bits;
    double real;
    uint64_t whole;
    switch (key->type) {
    case TEXT:
    case POLICY:
    case PLAN:
        md_config_quote(field, text, size);
        break;
    case CHOICE:
        memcpy(&number, field, sizeof number);
        snprintf(text, size, "%s", key->names[number]);
        break;
    case BITS:
        memcpy(&bits, field, sizeof bits);
        snprintf(text, size, "[");
        for (int i = 0; key->names[i] != NULL; i++)
            if ((bits >> i & 1u) != 0)
                snprintf(text + strlen(text), size - strlen(text), "%s%s",
                         text[1] != '\0' ? ", " : "", key->names[i]);
        snprintf(text + strlen(text), size - strlen(text), "]");
        break;
    case REAL:
        memcpy(&real, field, sizeof real);
        format_full(real, text, size);
        break;
    case CAPS:
        format_caps(field, format_full, text, size);
        break;
    case LOSSES:
        format_losses(field, format_full, text, size);
        break;
    default:
        whole = 0;
        memcpy(&whole, field, key->size == sizeof(int) ? sizeof(int) : sizeof whole);
        snprintf(text, size, "%llu", (unsigned long long)whole);
        break;
    }
}

/* Whether the key is part of what a run is known by. */
static int identifies(const struct section *section, const struct key *key) {
    return key->result == 1 ||
           (key->result == UNLESS_DEFAULT && !md_key_is_default(section->fields, key));
}

size_t md_config_format(const struct md_config *config, int all, char *text, size_t size) {
    struct section sections[RUN_SECTIONS];
    struct md_config copy = *config;
    char value[QUOTED_SIZE];
    size_t length = 0;
    md_config_sections(&copy, sections);
    for (int s = 0; s < RUN_SECTIONS; s++) {
        for (size_t k = 0; k < sections[s].count; k++) {
            const struct key *key = &sections[s].keys[k];
            if (all ? !md_key_says(sections, RUN_SECTIONS, &sections[s], key)
                    : !identifies(&sections[s], key))
                continue;
            format_value(key, sections[s].fields, value, sizeof value);
            const char *begin = s == DATA && k == 0 ? "data:\n  " : s != RUN ? "  " : "";
            length += (size_t)snprintf(length < size ? text + length : NULL,
                                       length < size ? size - length : 0, "%s%s: %s\n", begin,
                                       key->name, value);
        }
    }
    return length;
}

/* ---- one key by its number ------------------------------------------------------------------- */

/* NULL when there are not so many. */
static const struct key *find_key(const struct section sections[RUN_SECTIONS], int number,
                                  const struct section **section) {
    size_t k = (size_t)number;
    for (*section = sections; *section < sections + RUN_SECTIONS; k -= (*section)++->count)
        if (k < (*section)->count)
            return &(*section)->keys[k];
    return NULL;
}

/* The same, when its fields do not matter. */
static const struct key *key_of(int number, const char **prefix) {
    struct section sections[RUN_SECTIONS];
    const struct section *section;
    md_config_sections(&(struct md_config){.format = 0}, sections);
    const struct key *key = find_key(sections, number, &section);
    *prefix = key != NULL ? section->prefix : "";
    return key;
}

int md_config_key(int number, char name[MD_CONFIG_NAME_SIZE]) {
    const char *prefix;
    const struct key *key = key_of(number, &prefix);
    if (key != NULL)
        snprintf(name, MD_CONFIG_NAME_SIZE, "%s%s", prefix, key->name);
    return key != NULL ? 0 : -1;
}

int md_config_find(const char *name) {
    char found[MD_CONFIG_NAME_SIZE];
    for (int key = 0; md_config_key(key, found) == 0; key++)
        if (strcmp(found, name) == 0)
            return key;
    return -1;
}

int md_config_unknown(const char *name, struct md_error *error) {
    char key_name[MD_CONFIG_NAME_SIZE], hint[MD_NEAREST_SIZE];
    struct md_nearest nearest = md_nearest_to(name);
    for (int key = 0; md_config_key(key, key_name) == 0; key++)
        md_nearest_try(&nearest, key_name);
    return md_fail(error, MD_USAGE,
                   "\"%.100s\" is no key of a config%s; mudepth help config lists them", name,
                   md_nearest_hint(&nearest, hint));
}

int md_config_decides(int number) {
    const char *prefix;
    return key_of(number, &prefix)->result != 0;
}

int md_config_by_digest(int number) {
    const char *prefix;
    return key_of(number, &prefix)->result == BY_DIGEST;
}

const char *const *md_config_choices(int number) {
    const char *prefix;
    return key_of(number, &prefix)->names;
}

int md_config_says(const struct md_config *config, int number) {
    struct section sections[RUN_SECTIONS];
    const struct section *section;
    md_config_sections((struct md_config *)(uintptr_t)config, sections);
    const struct key *key = find_key(sections, number, &section);
    return md_key_says(sections, RUN_SECTIONS, section, key);
}

/* The key of this number, and its field in a config, which is only read: a copy of so large a thing
 * would be felt. */
static const struct key *find_field(const struct md_config *config, int number,
                                    const char **field) {
    struct section sections[RUN_SECTIONS];
    const struct section *section;
    md_config_sections((struct md_config *)(uintptr_t)config, sections);
    const struct key *key = find_key(sections, number, &section);
    *field = (const char *)section->fields + key->offset;
    return key;
}

void md_key_value(const struct key *key, const void *fields, char text[MD_CONFIG_VALUE_SIZE]) {
    const char *field = (const char *)fields + key->offset;
    double real;
    if (is_text(key)) {
        snprintf(text, MD_CONFIG_VALUE_SIZE, "%s", field);
    } else if (key->type == REAL) {
        memcpy(&real, field, sizeof real);
        format_shortest(real, text, MD_CONFIG_VALUE_SIZE);
    } else if (key->type == CAPS) {
        format_caps((const void *)field, format_shortest, text, MD_CONFIG_VALUE_SIZE);
    } else if (key->type == LOSSES) {
        format_losses((const void *)field, format_shortest, text, MD_CONFIG_VALUE_SIZE);
    } else {
        format_value(key, fields, text, MD_CONFIG_VALUE_SIZE);
    }
}

void md_config_value(const struct md_config *config, int number, char text[MD_CONFIG_VALUE_SIZE]) {
    const char *field;
    const struct key *key = find_field(config, number, &field);
    md_key_value(key, field - key->offset, text);
}

static int compare_caps(const struct md_caps *a, const struct md_caps *b) {
    int c = 0;
    while (c < a->count && c < b->count && a->m[c] == b->m[c])
        c++;
    if (c == a->count || c == b->count)
        return (a->count > b->count) - (a->count < b->count);
    return a->m[c] > b->m[c] ? 1 : -1;
}

/* Single losses as the table lists them. */
static int compare_losses(const struct md_losses *a, const struct md_losses *b) {
    int l = 0;
    while (l < MD_LOSS_COUNT - 1 && a->weight[l] == b->weight[l])
        l++;
    return (a->weight[l] < b->weight[l]) - (a->weight[l] > b->weight[l]);
}

/* md_config_order of numbers, choices and sets of bits. */
static int compare_numbers(const struct key *key, const char *a, const char *b) {
    double real[2];
    uint64_t whole[2] = {0, 0};
    if (key->type == REAL) {
        memcpy(&real[0], a, sizeof real[0]);
        memcpy(&real[1], b, sizeof real[1]);
        return (real[0] > real[1]) - (real[0] < real[1]);
    }
    const char *field[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        unsigned small;
        if (key->size == sizeof small) {
            memcpy(&small, field[i], sizeof small);
            whole[i] = small;
        } else {
            memcpy(&whole[i], field[i], sizeof whole[i]);
        }
    }
    return (whole[0] > whole[1]) - (whole[0] < whole[1]);
}

int md_config_order(const struct md_config *a, const struct md_config *b, int number) {
    const char *field[2];
    const struct key *key = find_field(a, number, &field[0]);
    find_field(b, number, &field[1]);
    if (is_text(key))
        return strcmp(field[0], field[1]);
    if (key->type == CAPS)
        return compare_caps((const void *)field[0], (const void *)field[1]);
    if (key->type == LOSSES)
        return compare_losses((const void *)field[0], (const void *)field[1]);
    return compare_numbers(key, field[0], field[1]);
}

enum md_value_kind md_config_kind(int number) {
    const char *prefix;
    switch (key_of(number, &prefix)->type) {
    case BITS:
    case CAPS:
        return MD_LIST_VALUE;
    case REAL:
    case COUNT:
    case POWER:
    case SEED:
        return MD_NUMBER_VALUE;
    default:
        return MD_WORD_VALUE;
    }
}

int md_config_has_axis(int number) {
    const char *prefix;
    const struct key *key = key_of(number, &prefix);
    return md_config_kind(number) != MD_LIST_VALUE && (key->type != TEXT || key->names != NULL);
}

void md_config_describe(int number, char text[MD_CONFIG_HELP_SIZE]) {
    const char *prefix;
    const struct key *key = key_of(number, &prefix);
    char choices[200] = "", use[300] = "";
    if (key->names != NULL && key->type != BITS)
        md_join_names(key->names, choices, sizeof choices);
    if (key->use != NULL)
        md_describe_use(key->use, use, sizeof use);
    snprintf(text, MD_CONFIG_HELP_SIZE, "%s%s%s%s%s%s; %s%s", key->help,
             choices[0] != '\0' ? " (" : "", choices, choices[0] != '\0' ? ")" : "",
             use[0] != '\0' ? "; only with " : "", use,
             key->preset == NULL ? "must be given" : "default ",
             key->preset == NULL      ? ""
             : key->preset[0] != '\0' ? key->preset
                                      : "empty");
}
