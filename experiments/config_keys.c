#include "config_keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/nearest.h"
#include "../datasets/augment.h"
#include "../datasets/sensor.h"

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
static const struct use
    of_adam = {.with = {{"optimizer", "adam"}}},
    of_sgd = {.with = {{"optimizer", "sgd"}}},
    of_moments = {.set = {"format", "!fp32"}, .with = {{"optimizer", "adam"}, {"momentum", "!0"}}},
    of_storing = {.with = {{"format", "!fp32, fp64"}}, /* compare's machines have others */
                  .idle = "plain, stochastic, master, kahan"},
    of_depth_cap = {.with = {{"loss", "!berhu, l1, mse, rel_l1, photometric"}}},
    of_pairs = {.with = {{"loss", "photometric"}}}, of_teacher = {.with = {{"teacher", "!"}}},
    of_average = {.set = {"loss", "!vnl, photometric"}, /* the validation's chooses the epoch */
                  .with = {{"batch", "!1"}, {"val", "!"}}},
    of_labels = {.with = {{"loss", "!photometric"}, {"teacher", "!"}}},
    of_weights = {.with = {{"policy", "!biases"}, {"decay", "!decoupled"}}},
    of_textbook = {.with = {{"protocol", "textbook"}}}, /* release flips */
    of_falling = {.with = {{"epochs", "!0, 1"}, {"schedule_by", "step"}}},
    of_schedule = {.with = {{"schedule", "!constant"}}},
    of_polynomial = {.with = {{"schedule", "polynomial"}}},
    of_decay = {.with = {{"weight_decay", "!0"}}},
    of_augment = {.with = {{"augment", "![], [r2crop]"}}},
    of_gamma = {.with = {{"augment", "[gamma"}}},
    of_strengths = {.with = {{"augment", "[gain"}, {"augment", "[noise"}}},
    of_gain = {.set = {"augment_strengths", "given"}, .with = {{"augment", "[gain"}}},
    of_brightness = {.with = {{"augment", "[brightness"}}},
    of_cropping = {.with = {{"augment", "[crop"}}}, of_shift = {.with = {{"augment", "[shift"}}},
    of_noise = {.set = {"augment_strengths", "given"}, .with = {{"augment", "[noise"}}},
    of_cutout = {.with = {{"augment", "[cutout"}}},
    of_stream = {.with = {{"plan", "!auto, plain, fast"}}},
    of_val = {.with = {{"val", "!"}}, .idle = "last"}, of_early = {.with = {{"val", "!"}}};
static const struct use
    of_files = {.set = {"set", "!synthetic"}},
    of_any_split = {.set = {"set", "!synthetic"},
                    .with = {{"train.root", ""}, {"val.root", ""}, {"test.root", ""}}},
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
    of_truth = {.set = {"set", HAVE_MAPS ", micro"}, /* whose grids have 8x8 values, and no other */
                .with = {{"set", "!synthetic"}, {"world", "!field"}}}, /* nor has this */
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
     "what learns: the blocks e, d0, d1, d2, the last layer alone (last), the biases of all layers "
     "(biases), joined by +, or full; auto: the best published that fits",
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
     "differences to neighbours), vnl (of normals of planes through three pixels: in each picture "
     "0.15 triples a pixel, drawn anew in every step among those with a label; LiteDepth's "
     "camera); "
     "photometric needs no label but pictures of two cameras, as micro-kitti has: how unlike the "
     "left "
     "picture is to the right one seen at the predicted disparity (0.85 (1 - SSIM) / 2 + 0.15 of "
     "the "
     "difference; Monodepth2)",
     NULL},
    {"loss_average", CHOICE, AT(md_config, average), 0, 0, md_average_names, "own", UNLESS_DEFAULT,
     "what a loss is a mean over: all valid pixels of the batch, or those of each picture and then "
     "over pictures; own: pixel, but of rmse picture",
     &of_average},
    {"loss_weights", CHOICE, AT(md_config, weighing), 0, 0, md_weighing_names, "fixed",
     UNLESS_DEFAULT,
     "the weights in the sum of losses: as given, or each / (2 p^2), and ln(1 + p^2) beside it, "
     "with "
     "a number p >= 1e-3 of each loss that the optimizer trains too, from 1 on",
     NULL},
    {"depth_cap_m", REAL, AT(md_config, depth_cap_m), 0.1, 1000, NULL, "5", 1,
     "depth beyond which it is linear in disparity", &of_depth_cap},
    {"stereo_width", COUNT, AT(md_config, stereo_width), 1, 100000, NULL, "360", UNLESS_DEFAULT,
     "what the network's picture shows is so many pixels wide in the pixels that disparities are "
     "in; "
     "360: the square that micro-kitti's pictures were before they became smaller",
     &of_pairs},
    {"smoothness", REAL, AT(md_config, smoothness), 0, 100, NULL, "0.001", UNLESS_DEFAULT,
     "weight of steps of the disparity, as shares of its mean, between neighbours that look alike",
     &of_pairs},
    {"teacher", TEXT, AT(md_config, teacher), 0, 0, NULL, "", BY_DIGEST,
     "weights file of a network that sees every picture as the own one does, and that this is to "
     "resemble beside its loss: at the ends of decoder0 and decoder1, before activation, in how "
     "alike (as cosines) the features of any two pixels with a label are (structure-aware "
     "distillation, LiteDepth); in training only; empty: none",
     NULL},
    {"teacher_network", CHOICE, AT(md_config, teacher_network), 0, 0, network_names,
     "upydnet_large", UNLESS_DEFAULT, "network table of the teacher", &of_teacher},
    {"distill", REAL, AT(md_config, distill), 0, 1000, NULL, "10", WHERE_USED,
     "weight beside the loss of the mean square by which cosines differ from the teacher's; 0: the "
     "teacher is not asked",
     &of_teacher},
    {"optimizer", CHOICE, AT(md_config, optimizer), 0, 0, md_optimizer_names, "adam", 1,
     "optimizer", NULL},
    {"lr", REAL, AT(md_config, learning_rate), 0, 10, NULL, "0.001", 1, "learning rate", NULL},
    {"schedule", CHOICE, AT(md_config, schedule), 0, 0, schedule_names, "constant", 1,
     "how the learning rate falls, from lr to lr_floor of it", &of_falling},
    {"schedule_by", CHOICE, AT(md_config, pace), 0, 0, pace_names, "epoch", UNLESS_DEFAULT,
     "when it does: once an epoch, or at every step", &of_schedule},
    {"lr_floor", REAL, AT(md_config, lr_floor), 0, 1, NULL, "0", UNLESS_DEFAULT,
     "the share of lr that is left at the end", &of_schedule},
    {"lr_power", REAL, AT(md_config, lr_power), 0.01, 100, NULL, "0.9", UNLESS_DEFAULT,
     "exponent of what is left of the run", &of_polynomial},
    {"warmup", COUNT, AT(md_config, warmup), 0, 1000000, NULL, "0", UNLESS_DEFAULT,
     "steps over which the learning rate rises linearly to what the schedule says", NULL},
    {"momentum", REAL, AT(md_config, momentum), 0, 0.9999, NULL, "0", 1, "momentum", &of_sgd},
    {"weight_decay", REAL, AT(md_config, weight_decay), 0, 1, NULL, "0", 1, "weight decay",
     &of_weights},
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
    {"weight_storage", CHOICE, AT(md_config, storing), 0, 0, md_storing_names, "plain", 1,
     "how 16-bit weights take small steps, with more bytes for each that learns: plain 0, "
     "stochastic rounding 0, fp32 master 4, kahan compensation 2",
     &of_storing},
    {"batch", COUNT, AT(md_config, batch), 1, 256, NULL, "16", 1,
     "samples per step. With plan: lean "
     "it is gradient accumulation: samples are done one by one, their gradients added up in order, "
     "and one more takes 21 kB in 16 bits",
     NULL},
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
    {"augment_strengths", CHOICE, AT(md_config, strengths), 0, 0, md_strengths_names, "given",
     UNLESS_DEFAULT,
     "of gain and noise: as given, or measured in the training pictures, the new place's own: how "
     "far channels differ from picture to picture (not at all where the camera is grey), and their "
     "noise",
     &of_strengths},
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
    {"label_mode", CHOICE, AT(md_config, label_mode), 0, 0, md_label_mode_names, "bilinear", 1,
     "how the zones of an 8x8 label become pixels: sparse has only their centres, pooled takes the "
     "prediction's nearest points to the zones instead",
     &of_labels},
    {"select", CHOICE, AT(md_config, select), 0, 0, select_names, "best", 1,
     "weights to keep: of the epoch with the best validation loss, or the last", &of_val},
    {"early_stop", COUNT, AT(md_config, early_stop), 0, 100000, NULL, "0", UNLESS_DEFAULT,
     "a run ends after so many epochs (fewer than all) without a lower validation loss; 0: never. "
     "The schedule is that of all epochs",
     &of_early},
    {"protocol", CHOICE, AT(md_config, protocol), 0, 0, md_protocol_names, "textbook", 1,
     "evaluation protocol", NULL},
    {"flip_at_test", CHOICE, AT(md_config, flip_at_test), 0, 0, md_flip_names, "off",
     UNLESS_DEFAULT,
     "evaluation: predictions are the mean disparity of the picture's and, mirrored back, the "
     "mirrored picture's; a second forward pass",
     &of_textbook},
    {"mean_share", REAL, AT(md_config, mean_share), 0, 0.9, NULL, "0", UNLESS_DEFAULT,
     "evaluation: of so much of each predicted depth the dummy predictor's takes the place, the "
     "mean "
     "of the training split at that pixel",
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
     "folder or file of the data set", &of_any_split},
    {"fraction", COUNT, AT(md_data_spec, fraction), 1, 100, NULL, "100", 1,
     "percent of the samples to take (micro sets: NAME_10perc.csv and the like); of a run's test "
     "split always all",
     NULL},
    {"target", CHOICE, AT(md_data_spec, target), 0, 0, md_target_names, "auto", UNLESS_DEFAULT,
     "which valid target of a zone with several is the label; both: their mean; auto: the nearest, "
     "but in recordings none; in a run: of the training split",
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
     &of_truth},
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
