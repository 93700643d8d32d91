/* mudepth diff, on cells of small runs: what is the same, what differs and by how much. */
#include <criterion/criterion.h>
#include <math.h>

#include "../base/h5.h"
#include "../results/cell.h"
#include "../results/weights.h"
#include "metrics_columns.h"
#include "program.h"

static struct scratch_path config, cell;

#define SMALL                                                                                      \
    "weights: scratch\npolicy: d2\nlr: 0.003\nbatch: 2\nepochs: 3\ncap_m: [80, 5]\n"               \
    "data: {set: synthetic, count: 4}\n"

static struct scratch_path run_cell(const char *name, const char *change) {
    struct scratch_path path = scratch_path(&scratch, "%s", name);
    MUDEPTH("run", config.text, change, "-o", path.text);
    assert_fine("RMSE");
    return path;
}

static void set_up(void) {
    scratch = scratch_open();
    config = written("small.yaml", SMALL);
    cell = run_cell("cell.h5", "threads=1");
}

TestSuite(diff, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

static struct scratch_path copied(const char *name) {
    struct scratch_path path = scratch_path(&scratch, "%s", name);
    size_t size;
    unsigned char *bytes = scratch_read(cell.text, &size);
    scratch_write(path.text, bytes, size);
    free(bytes);
    return path;
}

/* A copy in which a number of a table is another one. */
static struct scratch_path changed(const char *table, const char *column, int row, double value) {
    struct scratch_path path = copied("changed.h5");
    hid_t file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t data = H5Dopen2(file, table, H5P_DEFAULT), type = H5Dget_type(data);
    hssize_t rows = H5Sget_simple_extent_npoints(H5Dget_space(data));
    size_t bytes = H5Tget_size(type),
           place = H5Tget_member_offset(type, (unsigned)H5Tget_member_index(type, column));
    char *packed = malloc((size_t)rows * bytes);
    cr_assert_geq(H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed), 0);
    memcpy(packed + (size_t)row * bytes + place, &value, sizeof value);
    cr_assert_geq(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed), 0);
    free(packed);
    H5Tclose(type);
    H5Dclose(data);
    H5Fclose(file);
    return path;
}

/* A copy with another text or number (text NULL) as an attribute. */
static struct scratch_path renamed(const char *object, const char *name, const char *text,
                                   long long number) {
    struct scratch_path path = copied("changed.h5");
    struct md_error error;
    hid_t file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(H5Adelete_by_name(file, object, name, H5P_DEFAULT), 0);
    cr_assert_eq(text != NULL ? md_h5_write_text(file, object, name, text, &error)
                              : md_h5_write_integer(file, object, name, number, &error),
                 MD_OK);
    H5Fclose(file);
    return path;
}

/* Exit code 1, and all is said on standard output. */
static void assert_differs(const char *first) {
    assert_code(1);
    cr_assert_str_empty(err);
    assert_contains(out, "same run, different results; first ");
    assert_contains(out, first);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

Test(diff, a_cell_and_its_copy) {
    struct scratch_path copy = copied("copy.h5");
    MUDEPTH("diff", cell.text, copy.text);
    assert_code(0);
    cr_assert_str_eq(out, "same run, same results to the bit\n");
    MUDEPTH("diff", cell.text, cell.text, "--json");
    json_t *json = output_json();
    cr_assert(json_is_true(json_at(json, "same_run")));
    cr_assert(json_is_true(json_at(json, "same_results")));
    cr_assert(json_is_null(json_at(json, "first_difference")));
    cr_assert_eq(json_object_size(json_at(json, "config")), 0);
    cr_assert_eq(json_object_size(json_at(json, "attributes")), 0);
    cr_assert_eq(json_array_size(json_at(json, "metrics")), 2 * 3 * MD_METRIC_COUNT);
    json_decref(json);
}

/* A metric that is newer than one of them is not compared. */
Test(diff, a_cell_and_one_that_lacks_a_metric) {
    struct scratch_path older = copied("older.h5");
    change_metrics_columns(older.text, "silog", NULL);
    for (int way = 0; way < 2; way++) {
        const struct scratch_path *first = way == 0 ? &cell : &older,
                                  *second = way == 0 ? &older : &cell;
        MUDEPTH("diff", first->text, second->text);
        assert_code(0);
        cr_assert_str_eq(out, "same run, same results to the bit\n");
        MUDEPTH("diff", first->text, second->text, "--json");
        json_t *json = output_json();
        cr_assert_eq(json_array_size(json_at(json, "metrics")), 2 * 3 * (MD_METRIC_COUNT - 1));
        json_decref(json);
    }
    change_metrics_columns(cell.text, "silog", NULL); /* now neither has it */
    MUDEPTH("query", scratch.folder, "--show", "silog,dummy.silog,log10");
    assert_code(0);
    assert_contains(out, "silog  dummy.silog  log10\n   1         0      -            -  0.");
}

Test(diff, the_same_run_once_more) {
    struct scratch_path again = run_cell("again.h5", "threads=2");
    MUDEPTH("diff", cell.text, again.text);
    assert_fine("same run, same results to the bit\n");
    assert_contains(out, "threads  1  2\n");
    assert_contains(out, "provenance/wall_seconds");
    cr_assert(strstr(out, "on the test split") == NULL, "%s", out);
    cr_assert(strstr(out, "over the epochs") == NULL, "%s", out);
    cr_assert(strstr(out, "RMS") == NULL, "%s", out);
}

/* Each kind of result makes the difference, and the one that arises first is named. */
Test(diff, the_same_run_with_other_results) {
    static const struct {
        const char *table, *column;
        int row;
        const char *first, *shown;
    } cases[] = {
        {"/test/metrics", "rmse_m", 0, "before.rmse_m@80: ", "before.rmse_m@80"},
        {"/test/metrics", "delta1", 5, "dummy.delta1@5: ", "dummy.delta1@5"},
        {"/test/metrics", "silog", 4, "after.silog@5: ", "after.silog@5"},
        {"/training/epochs", "learning_rate", 0, "epoch 1: learning_rate 0.003 against 0.125",
         "learning_rate    epoch 1           0.122    epoch 1"},
        {"/training/epochs", "train_loss", 1, "epoch 2: train_loss ", "train_loss       epoch 2"},
        {"/training/epochs", "validation_loss", 2, "epoch 3: validation_loss ", "epoch 3"},
        {"/training/epochs", "validation_rmse_m", 2, "epoch 3: validation_rmse_m ", "epoch 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scratch_path other = changed(cases[i].table, cases[i].column, cases[i].row, 0.125);
        MUDEPTH("diff", cell.text, other.text);
        assert_differs(cases[i].first);
        assert_contains(out, cases[i].shown);
        MUDEPTH("diff", other.text, cell.text);
        assert_code(1);
    }
    MUDEPTH("diff", cell.text, renamed("/", "run_digest", "another", 0).text);
    assert_differs("run digest: ");
    MUDEPTH("diff", cell.text, renamed("/training", "skipped_steps", NULL, 2).text);
    assert_differs("6 steps against 6, and 0 skipped against 2");
    MUDEPTH("diff", cell.text, renamed("/training", "selected_epoch", NULL, 1).text);
    assert_differs("weights of epoch ");
    MUDEPTH("diff", cell.text, changed("/training/epochs", "train_loss", 1, NAN).text);
    assert_differs("epoch 2: train_loss");
    assert_contains(out, "train_loss       epoch 2           -        -");
}

Test(diff, no_number_is_like_no_number) {
    struct scratch_path a = changed("/training/epochs", "validation_loss", 1, NAN),
                        b = scratch_path(&scratch, "b.h5");
    rename(a.text, b.text);
    a = changed("/training/epochs", "validation_loss", 1, -NAN);
    MUDEPTH("diff", a.text, b.text);
    assert_code(0);
    cr_assert_str_eq(out, "same run, same results to the bit\n");
}

/* ---- what differs ---------------------------------------------------------------------------- */

static double at(json_t *json, const char *path) {
    return json_number_value(json_at(json, path));
}

static const float *weights_of(const char *path) {
    static float values[2][120000];
    static int which;
    struct md_error error;
    which = !which;
    cr_assert_leq(md_parameter_total(md_networks[0]), 120000);
    cr_assert_eq(md_weights_read(path, md_networks[0], values[which], NULL, &error), MD_OK, "%s",
                 error.text);
    return values[which];
}

/* The numbers are those of the files. */
Test(diff, runs_of_different_configs) {
    struct scratch_path other = run_cell("other.h5", "lr=0.01");
    static struct md_cell a, b;
    struct md_error error;
    cr_assert_eq(md_cell_read(cell.text, &a, &error), MD_OK);
    cr_assert_eq(md_cell_read(other.text, &b, &error), MD_OK);
    MUDEPTH("diff", cell.text, other.text);
    assert_fine("different runs, in: lr\ndifferent results; first epoch 1: learning_rate 0.003 "
                "against 0.01\n");
    assert_contains(out, "config  a      b\nlr      0.003  0.01\n");
    MUDEPTH("diff", cell.text, other.text, "--json");
    json_t *json = output_json(), *row;
    cr_assert_eq(json_real_value(json_at(json, "config.lr.b")), 0.01);
    cr_assert_eq(json_object_size(json_at(json, "config")), 1);
    size_t i;
    json_array_foreach(json_at(json, "metrics"), i, row) {
        if (i != MD_METRIC_COUNT + MD_RMSE) /* after, at the first cap */
            continue;
        double p = a.scores[0].of[MD_AFTER].value[MD_RMSE],
               q = b.scores[0].of[MD_AFTER].value[MD_RMSE];
        cr_assert_str_eq(json_string_value(json_at(row, "metric")), "rmse_m");
        cr_assert_str_eq(json_string_value(json_at(row, "predictor")), "after");
        cr_assert_eq(at(row, "cap_m"), 80);
        cr_assert(at(row, "a") == p && at(row, "b") == q && at(row, "difference") == q - p);
        cr_assert_neq(p, q);
    }
    cr_assert_eq(at(json, "epochs.learning_rate.first_epoch"), 1);
    cr_assert_float_eq(at(json, "epochs.learning_rate.largest_difference"), 0.007, 1e-17);
    const float *p = weights_of(cell.text), *q = weights_of(other.text);
    struct md_parameter parameter;
    size_t differing_tensors = 0;
    for (int k = 0; md_parameter(md_networks[0], k, &parameter) == 0; k++) {
        json_t *tensor = json_object_get(json_at(json, "weights"), parameter.name);
        double largest = 0, squares = 0;
        size_t differing = 0;
        for (size_t v = parameter.offset; v < parameter.offset + parameter.count; v++) {
            double d = (double)p[v] - (double)q[v];
            differing += p[v] != q[v];
            largest = fmax(largest, fabs(d));
            squares += d * d;
        }
        cr_assert_eq(at(tensor, "values"), parameter.count);
        cr_assert_eq(at(tensor, "differing"), differing);
        cr_assert_eq(at(tensor, "largest_difference"), largest);
        cr_assert_float_eq(at(tensor, "rms_difference"), sqrt(squares / (double)parameter.count),
                           1e-15);
        differing_tensors += differing > 0;
        cr_assert_eq(differing > 0,
                     strncmp(parameter.name, "decoder2", 8) == 0 ||
                         strncmp(parameter.name, "ups2", 4) == 0,
                     "%s", parameter.name);
    }
    cr_assert_gt(differing_tensors, 0);
    json_decref(json);
}

Test(diff, what_decides_is_named) {
    MUDEPTH("diff", cell.text, run_cell("a.h5", "data.seed=5").text);
    assert_fine(
        "different runs, in: data.seed, the data (train), the data (val), the data (test)\n");
    MUDEPTH("diff", cell.text, run_cell("b.h5", "epochs=2").text);
    assert_fine("different runs, in: epochs\ndifferent results; first 3 epochs against 2\n");
    char weights[1600];
    snprintf(weights, sizeof weights, "weights=%s", cell.text);
    MUDEPTH("diff", cell.text, run_cell("c.h5", weights).text);
    assert_fine("different runs, in: the weights they started from\n");
    MUDEPTH("diff", cell.text, run_cell("d.h5", "network=upydnet_large").text);
    assert_fine("different runs, in: network, the weights they started from\n");
    cr_assert(strstr(out, "\nweights  values") == NULL);
    MUDEPTH("diff", cell.text, run_cell("e.h5", "cap_m=5").text);
    assert_fine("different runs, in: cap_m\nsame results to the bit\n");
    assert_contains(out, "cap_m   [80, 5]  5\n");
}

/* ---- what is refused ------------------------------------------------------------------------- */

Test(diff, wrong_usage) {
    MUDEPTH("diff", cell.text);
    assert_fails(2, "expected B.h5, found nothing");
    MUDEPTH("diff", cell.text, cell.text, cell.text);
    assert_fails(2, "unexpected \"");
    MUDEPTH("diff", cell.text, cell.text, "--csv");
    assert_fails(2, "unknown option --csv");
}

Test(diff, what_is_no_cell) {
    struct scratch_path text = written("text.h5", "not a cell\n");
    MUDEPTH("diff", cell.text, "missing.h5");
    assert_fails(1, "missing.h5");
    MUDEPTH("diff", text.text, cell.text);
    assert_fails(1, "text.h5");
    struct scratch_path broken = copied("broken.h5");
    hid_t file = H5Fopen(broken.text, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(H5Ldelete(file, "/training/epochs", H5P_DEFAULT), 0);
    H5Fclose(file);
    MUDEPTH("diff", cell.text, broken.text);
    assert_fails(1, "/training/epochs");
    assert_contains(err, "broken.h5");
    broken = copied("broken.h5");
    file = H5Fopen(broken.text, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(H5Ldelete(file, "/weights/decoder2.conv2.bias", H5P_DEFAULT), 0);
    H5Fclose(file);
    MUDEPTH("diff", cell.text, broken.text, "--json");
    assert_fails(1, "decoder2.conv2.bias");
}

Test(diff, paths_of_any_bytes) {
    struct scratch_path odd = scratch_path(&scratch, "\xff.h5");
    rename(cell.text, odd.text);
    MUDEPTH("diff", odd.text, odd.text);
    assert_fine("same run");
    MUDEPTH("diff", odd.text, odd.text, "--json");
    assert_fails(1, "not UTF-8");
}
