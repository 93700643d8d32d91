/* Cells and checkpoints of runs: what is in them, and that nothing but the right one is taken. */
#include <criterion/criterion.h>
#include <math.h>

#include "../base/h5.h"
#include "h5_leaks.h"
#include "runs.h"

static struct scratch_path path; /* of the file under test */
static struct md_run run;

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "a folder/of é/a cell.h5");
}

TestSuite(cell, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

#define SMALL "data.count=3 data.val=val data.test=test batch=2"

static void write_cell(const char *words) {
    run = opened(words);
    finished(&run);
    assert_ok(md_cell_write(path.text, &run, "0123456789abcdef0123456789abcdef", "mudepth run it",
                            &run_error));
}

static hid_t opened_file(void) {
    hid_t file;
    assert_ok(md_h5_open(path.text, &file, &run_error));
    return file;
}

/* ---- what a cell holds ----------------------------------------------------------------------- */

static long long integer_in(hid_t file, const char *object, const char *name) {
    long long value = -1;
    assert_ok(md_h5_read_integer(file, object, name, &value, &run_error));
    return value;
}

static void assert_text(hid_t file, const char *object, const char *name, const char *expected) {
    char found[2000];
    assert_ok(md_h5_read_text(file, object, name, sizeof found, found, &run_error));
    cr_assert_str_eq(found, expected, "%s %s", object, name);
}

H5_TEST(cell, says_what_it_is_and_where_it_comes_from) {
    write_cell(SMALL);
    hid_t file = opened_file();
    assert_text(file, "/", "kind", "mudepth cell");
    assert_text(file, "/", "identity", "0123456789abcdef0123456789abcdef");
    assert_text(file, "/", "run_digest", run.position.digest);
    assert_text(file, "/config", "command", "mudepth run it");
    char network[33];
    md_network_digest(md_network_find("upydnet"), network);
    assert_text(file, "/config", "network_digest", network);
    assert_text(file, "/provenance", "cpu_level", run.engine.setup.ops->level);
    cr_assert_eq(integer_in(file, "/", "layout"), 6);
    const struct {
        const char *name;
        const struct md_dataset *data;
    } splits[] = {{"/data/train", &run.train}, {"/data/val", &run.val}, {"/data/test", &run.test}};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(integer_in(file, splits[i].name, "samples"), 3);
        assert_text(file, splits[i].name, "digest", splits[i].data->digest);
    }
    H5Fclose(file);
    md_run_close(&run);
}

H5_TEST(cell, holds_the_course_of_the_training) {
    write_cell(SMALL);
    hid_t file = opened_file();
    cr_assert_eq(integer_in(file, "/training", "steps"), 4);
    cr_assert_eq(integer_in(file, "/training", "skipped_steps"), 0);
    cr_assert_eq(integer_in(file, "/training", "optimizer_bytes_per_parameter"), 8);
    cr_assert_eq(integer_in(file, "/training", "selected_epoch"), run.position.best_epoch);
    cr_assert_eq(integer_in(file, "/training", "parameters_learning"), 107625);
    cr_assert_eq(integer_in(file, "/training", "arena_bytes"),
                 (long long)run.engine.plan.arena_bytes);
    struct epoch_row {
        int64_t epoch;
        double value[4];
    } rows[2];
    const struct md_h5_column columns[] = {
        {"epoch", MD_H5_INTEGER, offsetof(struct epoch_row, epoch), 8, 0},
        {"learning_rate", MD_H5_REAL, offsetof(struct epoch_row, value[0]), 8, 0},
        {"train_loss", MD_H5_REAL, offsetof(struct epoch_row, value[1]), 8, 0},
        {"validation_loss", MD_H5_REAL, offsetof(struct epoch_row, value[2]), 8, 0},
        {"validation_rmse_m", MD_H5_REAL, offsetof(struct epoch_row, value[3]), 8, 0}};
    assert_ok(
        md_h5_read_table(file, "/training/epochs", columns, 5, sizeof *rows, 2, rows, &run_error));
    for (int e = 0; e < 2; e++) {
        const struct md_epoch *h = &run.history[e];
        cr_assert_eq(rows[e].epoch, e + 1);
        cr_assert_eq(rows[e].value[0], h->learning_rate);
        cr_assert_eq(rows[e].value[1], h->train_loss);
        cr_assert_eq(rows[e].value[2], h->validation_loss);
        cr_assert_eq(rows[e].value[3], h->validation_rmse_m);
    }
    H5Fclose(file);
    md_run_close(&run);
}

static struct md_cell read_back(void) {
    struct md_cell cell;
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    return cell;
}

static void assert_same_metrics(const struct md_metrics *a, const struct md_metrics *b) {
    cr_assert_eq(memcmp(a->value, b->value, sizeof a->value), 0);
    cr_assert_eq(a->images, b->images);
    cr_assert_eq(a->without_truth, b->without_truth);
}

H5_TEST(cell, holds_every_metric_at_every_cap) {
    write_cell(SMALL " cap_m=[80,3,2.5]");
    struct md_cell cell = read_back();
    static const double caps_m[] = {80, 3, 2.5};
    cr_assert_eq(cell.cap_count, 3);
    for (int c = 0; c < 3; c++) {
        cr_assert_eq(cell.scores[c].cap_m, caps_m[c]);
        assert_same_metrics(&cell.scores[c].of[MD_BEFORE], &run.before[c]);
        assert_same_metrics(&cell.scores[c].of[MD_AFTER], &run.after[c]);
        assert_same_metrics(&cell.scores[c].of[MD_DUMMY], &run.dummy[c]);
        cr_assert_eq(cell.scores[c].of[MD_AFTER].images, 3);
    }
    cr_assert_neq(cell.scores[0].of[MD_DUMMY].value[MD_RMSE],
                  cell.scores[2].of[MD_DUMMY].value[MD_RMSE]);
    md_run_close(&run);
}

/* The validation split's table is like the test split's, and has the validation split's metrics. */
H5_TEST(cell, holds_the_metrics_of_the_validation_split) {
    write_cell(SMALL " data.val=test cap_m=[80,3] select=last");
    cr_assert_eq(memcmp(run.val_before, run.before, sizeof run.before), 0);
    cr_assert_eq(memcmp(run.val_after, run.after, sizeof run.after), 0);
    cr_assert_eq(memcmp(run.val_dummy, run.dummy, sizeof run.dummy), 0);
    struct md_cell test = read_back();
    hid_t file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(H5Ldelete(file, "/test/metrics", H5P_DEFAULT), 0);
    cr_assert_geq(
        H5Lmove(file, "/validation/metrics", file, "/test/metrics", H5P_DEFAULT, H5P_DEFAULT), 0);
    H5Fclose(file);
    struct md_cell validation = read_back();
    for (int c = 0; c < 2; c++) {
        for (int p = 0; p < MD_PREDICTOR_COUNT; p++)
            assert_same_metrics(&test.scores[c].of[p], &validation.scores[c].of[p]);
    }
    md_run_close(&run);
}

H5_TEST(cell, config_in_it_gives_the_same_cell_again) {
    char yaml[32768], identity[2][33];
    write_cell(SMALL " seed=7 augment=[flip] schedule=cosine");
    hid_t file = opened_file();
    assert_ok(md_h5_read_text(file, "/config", "yaml", sizeof yaml, yaml, &run_error));
    H5Fclose(file);
    struct scratch_path config = scratch_path(&scratch, "again.yaml");
    scratch_write_text(config.text, yaml);
    struct md_config read;
    assert_ok(md_config_read(config.text, 0, NULL, &read, &run_error));
    struct md_run again;
    assert_ok(md_run_open(&read, NULL, NULL, &again, &run_error));
    struct trained done = finished(&again);
    cr_assert_str_eq(done.digest, run.position.digest);
    md_cell_identity(&run, "w", identity[0]);
    md_cell_identity(&again, "w", identity[1]);
    cr_assert_str_eq(identity[0], identity[1]);
    md_run_close(&again);
    md_run_close(&run);
}

H5_TEST(cell, is_a_weights_file) {
    write_cell(SMALL);
    const struct md_network *network;
    struct md_weights_info info;
    size_t total = md_parameter_total(run.network);
    float *weights = malloc(total * sizeof *weights);
    cr_assert(weights);
    assert_ok(md_weights_network(path.text, &network, &run_error));
    cr_assert_eq(network, run.network);
    assert_ok(md_weights_read(path.text, network, weights, &info, &run_error));
    cr_assert_eq(memcmp(weights, run.best_weights, total * sizeof *weights), 0);
    assert_contains(info.source, "scratch");
    assert_contains(info.command, "mudepth run it");
    free(weights);
    md_run_close(&run);
}

/* The epoch that is said to be selected is the one whose weights are there. */
H5_TEST(cell, selected_epoch_is_the_one_of_the_weights) {
    static const struct {
        const char *words;
        int epoch;
    } cases[] = {{SMALL " epochs=3 select=last", 3},
                 {SMALL " epochs=0", 0},
                 {SMALL " data.val=", 2},
                 /* No validation loss is finite, so that the last weights are kept. */
                 {SMALL " loss=mse optimizer=sgd lr=10 augment=[]", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_cell(cases[i].words);
        hid_t file = opened_file();
        cr_assert_eq(integer_in(file, "/training", "selected_epoch"), cases[i].epoch, "%s",
                     cases[i].words);
        H5Fclose(file);
        md_run_close(&run);
    }
}

H5_TEST(cell, cannot_be_written_nowhere_and_leaves_nothing) {
    write_cell(SMALL);
    struct scratch_path nowhere = {{0}};
    snprintf(nowhere.text, sizeof nowhere.text, "%s/none/x.h5", scratch.folder);
    cr_assert_eq(md_cell_write(nowhere.text, &run, "id", "it", &run_error), MD_FAILED);
    assert_contains(run_error.text, nowhere.text);
    cr_assert_eq(scratch_count(scratch_path(&scratch, "a folder/of é/").text), 1);
    md_run_close(&run);
}

/* ---- identity -------------------------------------------------------------------------------- */

H5_TEST(cell, identity_is_that_of_what_decides_the_result) {
    static const struct {
        const char *words, *weights;
        int same;
    } cases[] = {{SMALL, "w", 1},
                 {SMALL " threads=4", "w", 1},
                 {SMALL " plan=lean budget_kb=9000", "w", 1},
                 {SMALL, "v", 0},
                 {SMALL " seed=1", "w", 0},
                 {SMALL " data.seed=2", "w", 0},
                 {SMALL " data.test=other", "w", 0},
                 {SMALL " select=last", "w", 0},
                 {SMALL " protocol=release", "w", 0},
                 {SMALL " cap_m=[80]", "w", 1},
                 {SMALL " cap_m=79", "w", 0},
                 {SMALL " cap_m=[80,20]", "w", 0},
                 {SMALL " format=bf16 moments=fp32", "w", 0},
                 {SMALL " loss_scale=2", "w", 0},
                 {SMALL " format=fp16", "w", 0},
                 {SMALL " format=fp16 weight_storage=kahan", "w", 0}};
    char first[33];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char identity[33];
        run = opened(cases[i].words);
        md_cell_identity(&run, cases[i].weights, identity);
        md_run_close(&run);
        cr_assert_eq(strlen(identity), 32);
        if (i == 0)
            strcpy(first, identity);
        cr_assert_eq(strcmp(first, identity) == 0, cases[i].same, "%s", cases[i].words);
    }
}

/* Another network of the same name and config is another run. */
H5_TEST(cell, identity_covers_the_network) {
    char before[33], after[33];
    run = opened(SMALL);
    md_cell_identity(&run, "w", before);
    struct md_network other = *run.engine.setup.network;
    other.layers[3].leaky = 0;
    run.engine.setup.network = &other;
    md_cell_identity(&run, "w", after);
    cr_assert_str_neq(before, after);
    md_run_close(&run);
}

/* The range of a cache, of which the config knows nothing, decides labels of mode release only. */
H5_TEST(cell, identity_covers_the_range_of_a_cache) {
    static const enum md_label_mode modes[] = {MD_LABEL_BILINEAR, MD_LABEL_RELEASE};
    char before[33], train[33], val[33];
    run = opened(SMALL);
    for (int i = 0; i < 2; i++) {
        run.config.label_mode = modes[i];
        md_cell_identity(&run, "w", before);
        run.train.range_m++;
        md_cell_identity(&run, "w", train);
        run.train.range_m--;
        run.val.range_m++;
        md_cell_identity(&run, "w", val);
        run.val.range_m--;
        int same = modes[i] != MD_LABEL_RELEASE || run.val.count == 0;
        cr_assert_eq(strcmp(before, train) == 0, modes[i] != MD_LABEL_RELEASE);
        cr_assert_eq(strcmp(before, val) == 0, same);
    }
    md_run_close(&run);
}

static int is_no_cell(const char *cut) {
    static struct md_cell cell;
    return md_cell_read(cut, &cell, &run_error) == MD_FAILED;
}

H5_TEST(cell, identity_is_read_from_cells_only) {
    static struct md_cell cell;
    const char *identity = cell.identity;
    write_cell(SMALL);
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    cr_assert_str_eq(identity, "0123456789abcdef0123456789abcdef");
    assert_ok(md_checkpoint_write(path.text, &run, identity, &run_error));
    cr_assert(is_no_cell(path.text));
    assert_contains(run_error.text, "expected a mudepth cell, found a mudepth checkpoint");
    struct md_weights_info info = {.stored_as = "float32"};
    assert_ok(md_weights_write(path.text, run.network, run.best_weights, &info, &run_error));
    cr_assert(is_no_cell(path.text));
    cr_assert(is_no_cell(scratch.folder));
    md_run_close(&run);
}

/* ---- broken files ---------------------------------------------------------------------------- */

/* About `count` prefixes of the file, denser at its beginning, where HDF5 keeps what matters. */
static void each_prefix_fails(int count, int (*fails)(const char *path)) {
    size_t size;
    unsigned char *bytes = scratch_read(path.text, &size);
    struct scratch_path cut = scratch_path(&scratch, "cut");
    for (int i = 0; i < count; i++) {
        double share = (double)i / count;
        size_t length = (size_t)((double)size * share * share);
        scratch_write(cut.text, bytes, length);
        cr_assert(fails(cut.text), "%zu of %zu bytes were taken for a whole file", length, size);
        assert_contains(run_error.text, cut.text);
    }
    scratch_write(cut.text, bytes, size - MD_H5_SEAL_BYTES - 1);
    cr_assert(fails(cut.text));
    free(bytes);
}

static int is_no_weights_file(const char *cut) {
    static float weights[107625];
    return md_weights_read(cut, md_networks[0], weights, NULL, &run_error) == MD_FAILED;
}

H5_TEST(cell, truncated_is_refused) {
    write_cell(SMALL);
    each_prefix_fails(150, is_no_cell);
    each_prefix_fails(50, is_no_weights_file);
    md_run_close(&run);
}

static int is_no_checkpoint(const char *cut) {
    return md_checkpoint_read(cut, &run, "id", &run_error) == MD_FAILED;
}

H5_TEST(cell, truncated_checkpoint_is_refused) {
    run = opened(SMALL);
    train_for(&run, 1);
    assert_ok(md_checkpoint_write(path.text, &run, "id", &run_error));
    each_prefix_fails(150, is_no_checkpoint);
    md_run_close(&run);
}

/* Whatever single bytes are changed, and no seal tells: an error or a checkpoint, but no crash. */
H5_TEST(cell, damaged_checkpoint_does_not_crash) {
    run = opened(SMALL " policy=d0");
    train_for(&run, 3);
    assert_ok(md_checkpoint_write(path.text, &run, "id", &run_error));
    size_t size;
    unsigned char *bytes = scratch_read(path.text, &size);
    int refused = 0;
    for (size_t i = 0; i < 4000; i += 23) {
        unsigned char kept = bytes[i];
        bytes[i] ^= 0x55;
        scratch_write(path.text, bytes, size - MD_H5_SEAL_BYTES);
        bytes[i] = kept;
        refused += is_no_checkpoint(path.text);
        cr_assert(run.position.epoch >= 0 && run.position.epoch <= 2);
    }
    cr_assert_gt(refused, 0);
    free(bytes);
    md_run_close(&run);
}

/* All of a position, and of a step's losses, each with a value of its own. */
H5_TEST(cell, checkpoint_gives_back_every_value) {
    run = opened(SMALL " epochs=5");
    struct md_progress *progress = &run.engine.progress;
    run.position = (struct md_position){4, 1, 0.1, 7, 3, 0.3, 2, "d1", 11, 12};
    *progress = (struct md_progress){5, 0.5f, 0.25f, 2};
    run.step_losses.sums[0][1] = 0.7;
    run.best_weights[5] = 0.9f;
    strcpy(run.started, "then");
    run.earlier = (struct md_usage){1000, 2000, 1LL << 50};
    const struct md_position position = run.position;
    assert_ok(md_checkpoint_write(path.text, &run, "id", &run_error));
    md_run_close(&run);
    run = opened(SMALL " epochs=5");
    assert_ok(md_checkpoint_read(path.text, &run, "id", &run_error));
    const struct md_position *found = &run.position;
    cr_assert(found->epoch == 4 && found->step == 1 && found->best_epoch == 3);
    cr_assert(found->diverged_epoch == 2 && found->loss_sum == 0.1 && found->loss_valid == 7);
    cr_assert(found->best_loss == 0.3 && found->seconds == 11 && found->cpu_seconds == 12);
    cr_assert_str_eq(found->digest, position.digest);
    cr_assert_str_eq(run.started, "then");
    cr_assert(progress->steps == 5 && progress->skipped == 2);
    cr_assert(progress->correction1 == 0.5f && progress->correction2 == 0.25f);
    cr_assert(run.step_losses.sums[0][1] == 0.7 && run.best_weights[5] == 0.9f);
    cr_assert(run.earlier.wall_seconds >= 1000 && run.earlier.cpu_seconds >= 2000);
    cr_assert_eq(run.earlier.peak_memory_bytes, 1LL << 50);
    md_run_close(&run);
}

H5_TEST(cell, checkpoint_of_another_run_is_refused) {
    run = opened(SMALL);
    assert_ok(md_checkpoint_write(path.text, &run, "id", &run_error));
    cr_assert_eq(md_checkpoint_read(path.text, &run, "other", &run_error), MD_FAILED);
    assert_contains(run_error.text, "belongs to another run");
    assert_contains(run_error.text, path.text);
    assert_ok(md_cell_write(path.text, &run, "id", "it", &run_error));
    cr_assert(is_no_checkpoint(path.text));
    assert_contains(run_error.text, "expected a mudepth checkpoint, found a mudepth cell");
    cr_assert(is_no_checkpoint(scratch.folder));
    md_run_close(&run);
    /* Same identity, as if by a collision, but other sizes: no field may be overrun. */
    static const char *const others[] = {"policy=d0", "optimizer=sgd", "network=upydnet_large",
                                         "format=fp64", "epochs=1"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char words[200];
        run = opened(SMALL);
        train_for(&run, 3);
        assert_ok(md_checkpoint_write(path.text, &run, "id", &run_error));
        md_run_close(&run);
        snprintf(words, sizeof words, SMALL " %s", others[i]);
        run = opened(words);
        cr_assert(is_no_checkpoint(path.text), "%s", words);
        md_run_close(&run);
    }
}

/* A checkpoint with one number out of its range. */
H5_TEST(cell, checkpoint_beyond_the_run_is_refused) {
    static const char *const names[] = {
        "epoch", "step", "best_epoch", "diverged_epoch", "optimizer_steps", "skipped_steps"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (long long value = -1; value <= 1000; value += 1001) {
            run = opened(SMALL);
            train_for(&run, 1);
            assert_ok(md_checkpoint_write(path.text, &run, "id", &run_error));
            hid_t file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
            H5Adelete_by_name(file, "/checkpoint", names[i], H5P_DEFAULT);
            assert_ok(md_h5_write_integer(file, "/checkpoint", names[i], value, &run_error));
            H5Fclose(file);
            cr_assert(is_no_checkpoint(path.text), "%s %lld", names[i], value);
            assert_contains(run_error.text, names[i]);
            assert_contains(run_error.text, path.text);
            md_run_close(&run);
        }
}
