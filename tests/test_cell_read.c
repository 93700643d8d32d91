/* Cells read back: what struct md_cell holds of a run, what a resumed run says it took, and that
 * nothing but a whole cell is taken. (What is in the file, as others see it: test_provenance.c.) */
#include <criterion/criterion.h>

#include <math.h>

#include "../experiments/version.h"
#include "../results/cell_parts.h"
#include "h5_leaks.h"
#include "metrics_columns.h"
#include "runs.h"

static struct scratch_path path; /* of the file under test */
static struct md_run run;
static struct md_cell cell;

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "a cell.h5");
}

TestSuite(cell_read, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

#define SMALL "data.count=3 data.val=val data.test=test batch=2 cap_m=[80,3]"

static void write_cell(const char *words) {
    run = opened(words);
    finished(&run);
    assert_ok(md_cell_write(path.text, &run, "0123456789abcdef0123456789abcdef", "mudepth run it",
                            &run_error));
}

static hid_t opened_to_change(void) {
    hid_t file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(file, 0);
    return file;
}

/* ---- what a cell says of its run ------------------------------------------------------------- */

H5_TEST(cell_read, says_what_the_run_was) {
    write_cell(SMALL " epochs=3 select=last threads=2");
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    cr_assert_str_eq(cell.identity, "0123456789abcdef0123456789abcdef");
    cr_assert_str_eq(cell.run_digest, run.position.digest);
    cr_assert_str_eq(cell.command, "mudepth run it");
    cr_assert_eq(cell.config.epochs, 3);
    const struct md_dataset *data[] = {&run.train, &run.val, &run.test};
    for (int i = 0; i < 3; i++) {
        cr_assert_str_eq(cell.data_digests[i], data[i]->digest);
        cr_assert_eq(cell.data_samples[i], 3);
    }
    cr_assert_eq(cell.arena_bytes, (long long)run.engine.plan.arena_bytes);
    cr_assert_eq(cell.parameters_learning, 107625);
    cr_assert_eq(cell.optimizer_bytes_per_parameter, 8);
    cr_assert_eq(cell.steps, 6);
    cr_assert_eq(cell.skipped_steps, 0);
    cr_assert_eq(cell.selected_epoch, 3);
    cr_assert_eq(cell.seconds, run.position.seconds);
    cr_assert_eq(cell.training_cpu_seconds, run.position.cpu_seconds);
    md_run_close(&run);
}

/* Fewer epochs than the config's are right only where it stops early. */
H5_TEST(cell_read, says_how_many_epochs_were_done) {
    write_cell(SMALL " epochs=2");
    for (int stops = 1; stops >= 0; stops--) {
        run.config.epochs = 5;
        run.config.early_stop = stops;
        assert_ok(md_cell_write(path.text, &run, "0123456789abcdef0123456789abcdef", "mudepth run",
                                &run_error));
        cr_assert_eq(md_cell_read(path.text, &cell, &run_error), stops ? MD_OK : MD_FAILED);
        cr_assert_eq(cell.epochs_done, 2);
    }
    assert_contains(run_error.text, "/training/epochs: expected 5 rows, found 2");
    md_run_close(&run);
}

/* A zone of 6x6 pixels has all of them, or none. */
H5_TEST(cell_read, says_how_many_pixels_had_a_label) {
    size_t zones = 0;
    write_cell(SMALL " label_mode=nearest epochs=0");
    for (size_t i = 0; i < run.train.count; i++)
        zones += md_valid_zones(&run.train.samples[i]);
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    cr_assert(zones > 0 && zones < 64 * run.train.count);
    cr_assert_eq(cell.label_share, (double)zones / (64.0 * (double)run.train.count));
    md_run_close(&run);
}

static int has(const char *object, const char *name) {
    hid_t file = H5Fopen(path.text, H5F_ACC_RDONLY, H5P_DEFAULT);
    int there = md_h5_has_attribute(file, object, name);
    H5Fclose(file);
    return there;
}

/* Strengths that were measured, a teacher: only of a run that had them. */
H5_TEST(cell_read, says_what_only_some_runs_have) {
    static const char teacher[] = "00112233445566778899aabbccddeeff";
    write_cell(SMALL " epochs=0");
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    cr_assert(isnan(cell.augment_gain) && isnan(cell.augment_noise));
    cr_assert_str_empty(cell.teacher_digest);
    cr_assert(!has("/training", "augment_gain") && !has("/provenance", "teacher_digest"));
    md_run_close(&run);
    write_cell(SMALL " epochs=0 augment=[gain,noise] augment_strengths=measured");
    strcpy(run.teacher.digest, teacher);
    assert_ok(md_cell_write(path.text, &run, "0123456789abcdef0123456789abcdef", "mudepth run",
                            &run_error));
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    cr_assert(cell.augment_gain > 0 && cell.augment_gain == run.train.gain);
    cr_assert(cell.augment_noise > 0 && cell.augment_noise == run.train.noise);
    cr_assert_str_eq(cell.teacher_digest, teacher);
    md_run_close(&run);
}

static int is_time(const char *text) {
    const char *form = "0000-00-00T00:00:00Z";
    size_t i = 0;
    while (form[i] != '\0' &&
           (form[i] == '0' ? strchr("0123456789", text[i]) != NULL && text[i] : text[i] == form[i]))
        i++;
    return form[i] == '\0' && text[i] == '\0';
}

H5_TEST(cell_read, says_where_it_was_made) {
    char weights[33];
    write_cell(SMALL " threads=2 epochs=0");
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    cr_assert_str_eq(cell.code_version, md_code_version());
    cr_assert_str_eq(cell.git_commit, md_git_commit());
    cr_assert_eq(cell.git_dirty, md_git_dirty());
    cr_assert_str_eq(cell.compiler, md_compiler());
    cr_assert_str_eq(cell.compiler_flags, md_compiler_flags());
    cr_assert_str_eq(cell.compiler_target, md_compiler_target());
    cr_assert_str_eq(cell.cpu_level, run.engine.setup.ops->level);
    cr_assert_str_not_empty(cell.cpu_model);
    cr_assert_str_not_empty(cell.host);
    assert_contains(cell.kernel, "Linux ");
    cr_assert_eq(cell.threads, 2);
    cr_assert_eq(cell.numerics_version, MD_NUMERICS_VERSION);
    md_weights_digest(run.best_weights, md_parameter_total(run.network), weights);
    cr_assert_str_eq(cell.initial_weights_digest, weights, "no epoch: they are the initial ones");
    cr_assert(is_time(cell.started), "%s", cell.started);
    cr_assert(is_time(cell.finished), "%s", cell.finished);
    cr_assert_leq(strcmp(cell.started, cell.finished), 0);
    md_run_close(&run);
}

/* Training is a part of the run; and while it runs, its weights, gradients and optimizer state,
 * all of them touched, are in memory. */
H5_TEST(cell_read, says_what_the_run_took) {
    write_cell(SMALL);
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    cr_assert_gt(cell.seconds, 0);
    cr_assert_gt(cell.training_cpu_seconds, 0);
    cr_assert_geq(cell.wall_seconds, cell.seconds);
    cr_assert_geq(cell.cpu_seconds, cell.training_cpu_seconds);
    cr_assert_geq(cell.peak_memory_bytes, 4 * 4 * 107625);
    md_run_close(&run);
}

/* An hour of which 600 s were the processor's, after two others. */
H5_TEST(cell_read, usage_is_added_to_the_earlier_one) {
    const struct md_usage now = md_usage_now(), earlier = {7200, 60, 1},
                          began = {now.wall_seconds - 3600, now.cpu_seconds - 600, 0};
    struct md_usage sum = md_usage_since(&began, &earlier);
    cr_assert(sum.wall_seconds >= 10800 && sum.wall_seconds < 10860, "%g", sum.wall_seconds);
    cr_assert(sum.cpu_seconds >= 660 && sum.cpu_seconds < 720, "%g", sum.cpu_seconds);
    cr_assert_geq(sum.peak_memory_bytes, now.peak_memory_bytes);
}

static void replace_real(hid_t file, const char *name, double value) {
    cr_assert_geq(H5Adelete_by_name(file, "/checkpoint", name, H5P_DEFAULT), 0);
    assert_ok(md_h5_write_real(file, "/checkpoint", name, value, &run_error));
}

/* As if the part before had taken an hour and a petabyte, twenty years ago. */
H5_TEST(cell_read, a_resumed_run_adds_up_what_it_took) {
    const long long petabyte = 1LL << 50;
    run = opened(SMALL);
    train_for(&run, 1);
    assert_ok(md_checkpoint_write(path.text, &run, "id", &run_error));
    md_run_close(&run);
    hid_t file = opened_to_change();
    replace_real(file, "wall_seconds", 3600);
    replace_real(file, "cpu_seconds", 1800);
    replace_real(file, "training_wall_seconds", 3000);
    replace_real(file, "training_cpu_seconds", 1500);
    H5Adelete_by_name(file, "/checkpoint", "peak_memory_bytes", H5P_DEFAULT);
    assert_ok(md_h5_write_integer(file, "/checkpoint", "peak_memory_bytes", petabyte, &run_error));
    H5Adelete_by_name(file, "/checkpoint", "started", H5P_DEFAULT);
    assert_ok(md_h5_write_text(file, "/checkpoint", "started", "2006-11-20T06:00:00Z", &run_error));
    H5Fclose(file);
    run = opened(SMALL);
    assert_ok(md_checkpoint_read(path.text, &run, "id", &run_error));
    finished(&run);
    assert_ok(md_checkpoint_write(path.text, &run, "id", &run_error)); /* and once more */
    md_run_close(&run);
    run = opened(SMALL);
    assert_ok(md_checkpoint_read(path.text, &run, "id", &run_error));
    assert_ok(md_cell_write(path.text, &run, "id", "it", &run_error));
    assert_ok(md_cell_read(path.text, &cell, &run_error));
    cr_assert_str_eq(cell.started, "2006-11-20T06:00:00Z");
    cr_assert_gt(cell.wall_seconds, 3600);
    cr_assert_lt(cell.wall_seconds, 7200, "counted twice");
    cr_assert_gt(cell.cpu_seconds, 1800);
    cr_assert_lt(cell.cpu_seconds, 3600);
    cr_assert_gt(cell.seconds, 3000);
    cr_assert_lt(cell.seconds, 6000);
    cr_assert_gt(cell.training_cpu_seconds, 1500);
    cr_assert_lt(cell.training_cpu_seconds, 3000);
    cr_assert_eq(cell.peak_memory_bytes, petabyte);
    md_run_close(&run);
}

/* ---- broken files ---------------------------------------------------------------------------- */

static int is_no_cell(void) {
    run_error.text[0] = '\0';
    return md_cell_read(path.text, &cell, &run_error) == MD_FAILED;
}

static void assert_refused(const char *message) {
    cr_assert(is_no_cell(), "%s", message);
    assert_contains(run_error.text, path.text);
    assert_contains(run_error.text, message);
}

H5_TEST(cell_read, another_layout_is_refused) {
    for (int layout = MD_CELL_LAYOUT - 1; layout <= MD_CELL_LAYOUT + 1; layout += 2) {
        char message[100];
        write_cell(SMALL);
        md_run_close(&run);
        hid_t file = opened_to_change();
        H5Adelete_by_name(file, "/", "layout", H5P_DEFAULT);
        assert_ok(md_h5_write_integer(file, "/", "layout", layout, &run_error));
        H5Fclose(file);
        snprintf(message, sizeof message,
                 "expected a mudepth cell of layout %d, found layout %d, of another version",
                 MD_CELL_LAYOUT, layout);
        assert_refused(message);
    }
}

/* Every attribute that is read: without it there is no cell. */
H5_TEST(cell_read, an_attribute_that_is_missing_is_named) {
    static const char *const objects[] = {"/",           "/config",   "/provenance", "/training",
                                          "/data/train", "/data/val", "/data/test"};
    write_cell(SMALL);
    md_run_close(&run);
    size_t size;
    unsigned char *whole = scratch_read(path.text, &size);
    int tried = 0;
    for (size_t o = 0; o < sizeof objects / sizeof objects[0]; o++)
        for (int a = 0, left = 1; left; a++, tried++) {
            char name[100] = "";
            scratch_write(path.text, whole, size);
            hid_t file = opened_to_change();
            H5O_info_t about;
            H5Oget_info_by_name2(file, objects[o], &about, H5O_INFO_NUM_ATTRS, H5P_DEFAULT);
            left = a + 1 < (int)about.num_attrs;
            H5Aget_name_by_idx(file, objects[o], H5_INDEX_NAME, H5_ITER_INC, (hsize_t)a, name,
                               sizeof name, H5P_DEFAULT);
            cr_assert_geq(H5Adelete_by_name(file, objects[o], name, H5P_DEFAULT), 0);
            H5Fclose(file);
            assert_refused(name);
            assert_contains(run_error.text, objects[o]);
        }
    cr_assert_geq(tried, 35);
    free(whole);
}

H5_TEST(cell_read, a_negative_count_is_refused) {
    write_cell(SMALL);
    md_run_close(&run);
    hid_t file = opened_to_change();
    H5Adelete_by_name(file, "/provenance", "peak_memory_bytes", H5P_DEFAULT);
    assert_ok(md_h5_write_integer(file, "/provenance", "peak_memory_bytes", -1, &run_error));
    H5Fclose(file);
    assert_refused("/provenance peak_memory_bytes: expected 0 to");
}

/* Of the table's packed rows the bytes at `place` of row `row` become `bytes`. */
static void change_metrics(int row, const char *column, const void *bytes, size_t count) {
    hid_t file = opened_to_change(), data = H5Dopen2(file, "/test/metrics", H5P_DEFAULT);
    hid_t type = H5Dget_type(data);
    size_t row_bytes = H5Tget_size(type);
    size_t place = H5Tget_member_offset(type, (unsigned)H5Tget_member_index(type, column));
    char *rows = malloc(6 * row_bytes);
    cr_assert(rows);
    cr_assert_geq(H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), 0);
    memcpy(rows + (size_t)row * row_bytes + place, bytes, count);
    cr_assert_geq(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), 0);
    free(rows);
    H5Tclose(type);
    H5Dclose(data);
    H5Fclose(file);
}

H5_TEST(cell_read, rows_that_are_not_the_configs_are_refused) {
    static const double cap_m = 4;
    static const int64_t negative = -1, many = 1LL << 40;
    static const struct {
        int row;
        const char *column;
        const void *bytes;
        size_t count;
        const char *message;
    } cases[] = {
        {0, "predictor", "after\0", 7, "row 1: expected predictor before"},
        {5, "predictor", "Dummy", 5, "row 6: expected predictor dummy, cap_m 3"},
        {4, "cap_m", &cap_m, 8, "row 5: expected predictor after, cap_m 3"},
        {1, "images", &negative, 8, "row 2"},
        {2, "images", &many, 8, "row 3"},
        {3, "without_truth", &negative, 8, "row 4"},
        {3, "without_truth", &many, 8, "found before, 3, 3 and 1099511627776"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_cell(SMALL);
        md_run_close(&run);
        change_metrics(cases[i].row, cases[i].column, cases[i].bytes, cases[i].count);
        assert_refused(cases[i].message);
    }
}

/* Found by their names: what is not in the table is newer than the cell. */
H5_TEST(cell_read, a_metric_that_the_cell_lacks_is_none) {
    static const char *const lacking[] = {NULL, "silog", "rmse_m"};
    static struct md_cell whole;
    write_cell(SMALL);
    md_run_close(&run);
    assert_ok(md_cell_read(path.text, &whole, &run_error));
    for (size_t i = 0; i < sizeof lacking / sizeof lacking[0]; i++) {
        write_cell(SMALL);
        md_run_close(&run);
        change_metrics_columns(path.text, lacking[i], NULL);
        assert_ok(md_cell_read(path.text, &cell, &run_error));
        for (int m = 0; m < MD_METRIC_COUNT; m++) {
            int lacks = lacking[i] != NULL && strcmp(md_metric_names[m], lacking[i]) == 0;
            cr_assert_eq(cell.has_metric[m], !lacks);
            for (int p = 0; p < 2 * MD_PREDICTOR_COUNT; p++) {
                double found = cell.scores[p % 2].of[p / 2].value[m],
                       right = whole.scores[p % 2].of[p / 2].value[m];
                cr_assert(lacks ? isnan(found) : found == right, "%s: %g", md_metric_names[m],
                          found);
            }
        }
        cr_assert_eq(cell.scores[1].of[MD_DUMMY].images, 3);
    }
}

H5_TEST(cell_read, a_table_with_other_columns_is_refused) {
    static const struct {
        const char *left_out, *added, *message;
    } cases[] = {
        {"predictor", NULL, "'/test/metrics': it has no column \"predictor\""},
        {"cap_m", NULL, "it has no column \"cap_m\""},
        {"images", NULL, "it has no column \"images\""},
        {"without_truth", NULL, "it has no column \"without_truth\""},
        {NULL, "later", "its column \"later\" is unknown: it may be of a newer version"},
        {"rmse_m", "rnse_m", "its column \"rnse_m\" is unknown"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_cell(SMALL);
        md_run_close(&run);
        change_metrics_columns(path.text, cases[i].left_out, cases[i].added);
        assert_refused(cases[i].message);
    }
}

/* A config with another number of caps than the table has. */
H5_TEST(cell_read, a_table_without_all_caps_is_refused) {
    static char yaml[32768];
    write_cell(SMALL);
    run.config.caps.count = 1;
    md_config_format(&run.config, 1, yaml, sizeof yaml);
    md_run_close(&run);
    hid_t file = opened_to_change();
    H5Adelete_by_name(file, "/config", "yaml", H5P_DEFAULT);
    assert_ok(md_h5_write_text(file, "/config", "yaml", yaml, &run_error));
    H5Fclose(file);
    assert_refused("'/test/metrics': it has 6 rows, expected 3");
}

/* Whatever single bytes are changed, and no seal tells: an error or a cell, but no crash. */
H5_TEST(cell_read, damaged_does_not_crash) {
    write_cell(SMALL);
    md_run_close(&run);
    size_t size;
    unsigned char *bytes = scratch_read(path.text, &size);
    int refused = 0;
    for (size_t i = 0; i < size; i += i < 20000 ? 31 : 1009) {
        unsigned char kept = bytes[i];
        bytes[i] ^= 0x55;
        scratch_write(path.text, bytes, size - MD_H5_SEAL_BYTES);
        bytes[i] = kept;
        refused += is_no_cell();
    }
    cr_assert_gt(refused, 0);
    free(bytes);
}
