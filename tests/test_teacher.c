/* Runs with a teacher: what it sees, that a network learns by it, and the program's errors. (The
 * loss itself: test_distill.c.) */
#include <math.h>

#include "../experiments/batch.h"
#include "../experiments/initial_weights.h"
#include "h5_leaks.h"
#include "program.h"
#include "runs.h"

TestSuite(teacher, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 600);

#define TAUGHT "teacher=t teacher_network=upydnet batch=2 data.count=3 epochs=1 policy=d0 "

/* ---- what it sees ---------------------------------------------------------------------------- */

/* A stage's features, as an engine of its own sees them. */
struct seen {
    int layer;
    float values[96 * 24 * 24];
};

static void see(void *context, enum md_observed what, int layer, int slot, const struct md_map *map,
                int from, int to) {
    struct seen *seen = context;
    size_t count = (size_t)map->channels * md_map_plane(map);
    (void)what, (void)slot, (void)from, (void)to;
    if (layer == seen->layer)
        memcpy(seen->values, map->at, count * sizeof(float));
}

/* Bytes are features in units of their largest: half a unit off, at most. */
static void check_pixel(const float *values, const int8_t *bytes, int channels, int apart) {
    float largest = 0;
    for (int c = 0; c < channels; c++)
        largest = fmaxf(largest, fabsf(values[c * apart]));
    for (int c = 0; c < channels; c++)
        cr_assert_leq(fabsf(bytes[c * apart] - 127 * values[c * apart] / largest), 0.5001f);
}

/* Labels in the left half only, but for its last column: the stages' pixels there have others. */
H5_TEST(teacher, looks_at_what_the_student_sees) {
    static struct seen seen;
    static float label[48 * 48];
    uint8_t picture[3 * 48 * 48];
    const char *const words[] = {TAUGHT, TAUGHT "teacher_network=upydnet_large"};
    for (int i = 0; i < 48 * 48; i++)
        label[i] = i % 48 < 23 ? 1.0f : MD_INVALID;
    for (int i = 0; i < 3 * 48 * 48; i++)
        picture[i] = (uint8_t)(i * 7 % 251);
    for (int w = 0; w < 2; w++) {
        struct md_run run = opened(words[w]);
        struct md_teacher *teacher = &run.teacher;
        int channels = w ? 96 : 32;
        md_teacher_infer(teacher, picture, label);
        for (seen.layer = 8; seen.layer <= 12; seen.layer += 4) {
            int side = seen.layer == 8 ? 12 : 24, pixels = side * side;
            const int8_t *bytes = teacher->features[seen.layer];
            cr_assert_eq(teacher->bytes[seen.layer], (size_t)(channels * pixels));
            md_observe_fn *own = teacher->engine.observe;
            teacher->engine.observe = see;
            teacher->engine.observe_context = &seen;
            md_engine_set_picture(&teacher->engine, 0, picture);
            md_engine_forward(&teacher->engine, 1);
            teacher->engine.observe = own;
            for (int p = 0; p < pixels; p++)
                if (p % side < side / 2)
                    check_pixel(seen.values + p, bytes + p, channels, pixels);
                else
                    for (int c = 0; c < channels; c++)
                        cr_assert_eq(bytes[c * pixels + p], 0, "a pixel without label");
        }
        md_run_close(&run);
    }
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* Whatever the machine does, the bits are the same; of another teacher or weight they are not. */
H5_TEST(teacher, of_a_run_changes_bits_and_nothing_else_does) {
    static const char *const same[] = {"threads=2", "plan=lean threads=3"};
    static const char *const others[] = {"distill=1", "distill=0", "teacher_network=upydnet_large",
                                         "seed=1"};
    struct trained right = trained_with(TAUGHT), without = trained_with(TAUGHT "distill=0");
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        char words[300];
        snprintf(words, sizeof words, TAUGHT "%s", same[i]);
        struct trained ours = trained_with(words);
        assert_same(&ours, &right, same[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char words[300];
        snprintf(words, sizeof words, TAUGHT "%s", others[i]);
        struct trained ours = trained_with(words);
        cr_assert_str_neq(ours.digest, right.digest, "%s", others[i]);
    }
    struct trained alone = trained_with("batch=2 data.count=3 epochs=1 policy=d0");
    assert_same(&alone, &without, "distill=0 asks no teacher");
}

/* By labels that hardly count: what falls is how unlike the teacher it is. */
H5_TEST(teacher, is_resembled_more_and_more) {
    struct trained done =
        trained_with("teacher=t teacher_network=upydnet seed=3 distill=1000 policy=full epochs=6 "
                     "batch=2 data.count=6 augment=[]");
    cr_assert_lt(done.history[5].train_loss, 0.8 * done.history[0].train_loss, "%g, then %g",
                 done.history[0].train_loss, done.history[5].train_loss);
}

/* ---- the program ----------------------------------------------------------------------------- */

static struct scratch_path weights_of(const char *name, uint64_t seed) {
    const struct md_network *network = md_network_find("upydnet");
    struct scratch_path to = scratch_path(&scratch, "%s", name);
    struct md_weights_info info = {.stored_as = "float32"};
    float *weights = malloc(md_parameter_total(network) * sizeof *weights);
    cr_assert(weights);
    snprintf(info.network, sizeof info.network, "%s", network->name);
    md_initial_weights(network, seed, weights);
    assert_ok(md_weights_write(to.text, network, weights, &info, &run_error));
    free(weights);
    return to;
}

/* The small field, with a teacher from this file. */
static struct scratch_path taught_by(const struct scratch_path *weights) {
    char text[9000];
    snprintf(text, sizeof text, SMALL_FIELD "teacher: %s\nteacher_network: upydnet\n",
             weights->text);
    return written("taught.yaml", text);
}

static char *identity_with(const struct scratch_path *weights) {
    struct scratch_path config = taught_by(weights), cell = scratch_path(&scratch, "cell.h5");
    MUDEPTH("run", config.text, "epochs=1", "--json", "--force", "-o", cell.text);
    json_t *json = output_json();
    char *identity = strdup(json_string_value(json_at(json, "identity")));
    json_decref(json);
    return identity;
}

/* A run is known by what is in its teacher's file, not by its name. */
Test(teacher, decides_what_a_run_is_known_by) {
    const struct scratch_path files[] = {weights_of("a.h5", 1), weights_of("b.h5", 1),
                                         weights_of("c.h5", 2)};
    char *identities[3];
    for (int i = 0; i < 3; i++)
        identities[i] = identity_with(&files[i]);
    cr_assert_str_eq(identities[0], identities[1]);
    cr_assert_str_neq(identities[0], identities[2]);
    for (int i = 0; i < 3; i++)
        free(identities[i]);
}

/* A folder of cells without a teacher has none of those with one. */
Test(teacher, decides_what_a_sweep_is) {
    struct scratch_path weights = weights_of("a.h5", 1), folder = scratch_path(&scratch, "cells"),
                        config = written("plain.yaml", SMALL_FIELD "sweep: {seed: [1]}\n");
    char teacher[sizeof weights.text + 20];
    snprintf(teacher, sizeof teacher, "teacher=%s", weights.text);
    MUDEPTH("sweep", config.text, "epochs=0", "-o", folder.text);
    assert_fine("1 done");
    MUDEPTH("sweep", config.text, "epochs=0", teacher, "teacher_network=upydnet", "-o",
            folder.text);
    assert_fails(2, "cells: holds another sweep");
}

/* (Where it would change nothing, no command does as if it did.) */
Test(teacher, is_in_comparisons) {
    struct scratch_path weights = weights_of("a.h5", 1), config = taught_by(&weights);
    MUDEPTH("compare", config.text, "policy=d2");
    assert_fails(2, "teacher: has an effect only where a layer up to");
    MUDEPTH("plan", config.text, "policy=d2");
    assert_fails(2, "teacher: has an effect only where a layer up to");
    MUDEPTH("compare", config.text, "batch=2", "--steps", "2", "--a", "host:bf16", "--b",
            "host:bf16:lean:cores=3");
    assert_fine("bit-exact: ");
}

/* One line, which names key and file. */
Test(teacher, that_is_none_is_an_error) {
    struct scratch_path weights = weights_of("a.h5", 1), text = written("text.h5", "text"),
                        none = scratch_path(&scratch, "none.h5"), cell = none;
    const struct {
        struct scratch_path from;
        const char *network, *message;
    } cases[] = {{none, "upydnet", "none.h5: cannot open: No such file or directory\n"},
                 {text, "upydnet", "text.h5: "},
                 {weights, "upydnet_large", "a.h5: "}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scratch_path from = cases[i].from, config = taught_by(&from);
        char network[60], message[sizeof from.text + 20];
        snprintf(network, sizeof network, "teacher_network=%s", cases[i].network);
        snprintf(message, sizeof message, ": teacher: %s", from.text);
        MUDEPTH("run", config.text, network, "-o", cell.text);
        assert_fails(1, message);
        assert_contains(err, cases[i].message);
        cr_assert_eq(strchr(err, '\n')[1], '\0', "%s", err);
        MUDEPTH("compare", config.text, network);
        assert_fails(1, message);
    }
}
