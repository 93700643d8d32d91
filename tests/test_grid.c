/* Sweep files: which cells they give, what they are called, and what is refused. (What becomes of
 * the cells: test_sweep.c.) */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../datasets/augment.h"
#include "../experiments/grid.h"
#include "scratch.h"

static struct scratch_path path; /* of the file under test */
static struct md_grid grid;
static struct md_error error;

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "some.yaml");
}

static void tear_down(void) {
    md_grid_free(&grid);
    scratch_close(&scratch);
}

TestSuite(grid, .init = set_up, .fini = tear_down, .timeout = 600);

#define BASE "weights: w\ndata: {set: synthetic, count: 6}\n"

static int read_with(const char *text, int count, char *const *overrides) {
    md_grid_free(&grid);
    error.text[0] = '\0';
    scratch_write_text(path.text, text);
    return md_grid_read(path.text, count, overrides, &grid, &error);
}

static void read_good(const char *text) {
    cr_assert_eq(read_with(text, 0, NULL), MD_OK, "%s", error.text);
}

static void assert_settings(size_t cell, const char *expected) {
    char settings[MD_SETTINGS_SIZE];
    cr_assert_lt(cell, grid.count);
    md_grid_settings(&grid, cell, settings);
    cr_assert_str_eq(settings, expected);
}

/* ---- which cells ----------------------------------------------------------------------------- */

Test(grid, a_product_of_axes_the_last_one_fastest) {
    read_good(BASE "lr: 0.5\nsweep:\n  policy: [d0, full]\n  data.fraction: [10, 50, 100]\n");
    cr_assert_eq(grid.count, 6);
    for (size_t i = 0; i < 6; i++) {
        const struct md_config *config = &grid.cells[i].config;
        cr_assert_str_eq(config->policy, i < 3 ? "d0" : "full");
        cr_assert_eq(config->data.fraction, ((const int[]){10, 50, 100})[i % 3]);
        cr_assert_eq(config->learning_rate, 0.5);
        cr_assert_eq(config->data.count, 6);
    }
    cr_assert_eq(grid.key_count, 2);
    assert_settings(4, "policy=full data.fraction=50");
}

Test(grid, sums_of_losses_are_values_of_an_axis) {
    read_good(BASE "sweep: {loss: [rmse, {rmse: 1, grad: 0.25}, '{silog: 1, robust: 0.6}']}\n");
    cr_assert_eq(grid.count, 3);
    assert_settings(0, "loss=rmse");
    assert_settings(1, "loss={rmse: 1, grad: 0.25}");
    assert_settings(2, "loss={silog: 1, robust: 0.6}");
}

Test(grid, ranges_and_lists_of_lists) {
    read_good(BASE "sweep: {seed: 3..5}\n");
    cr_assert_eq(grid.count, 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(grid.cells[i].config.seed, 3 + i);
    read_good(BASE "sweep: {seed: [7, 0..1, 9..9], augment: [[flip], [], [flip, crop]]}\n");
    cr_assert_eq(grid.count, 12);
    static const uint64_t seeds[] = {7, 0, 1, 9};
    for (size_t i = 0; i < 12; i++)
        cr_assert_eq(grid.cells[i].config.seed, seeds[i / 3]);
    cr_assert_eq(grid.cells[1].config.augment.set, 0);
    cr_assert_neq(grid.cells[2].config.augment.set, grid.cells[0].config.augment.set);
    read_good(BASE "sweep: {cap_m: [80, [20, 80.5], [20]]}\nalso: [{cap_m: [15, 25], seed: 1}]\n");
    cr_assert_eq(grid.count, 4);
    assert_settings(0, "seed=0 cap_m=80");
    assert_settings(1, "seed=0 cap_m=[20, 80.5]");
    assert_settings(2, "seed=0 cap_m=20");
    assert_settings(3, "seed=1 cap_m=[15, 25]");
}

Test(grid, also_adds_and_except_leaves_out) {
    read_good(BASE "sweep: {policy: [d0, full], seed: 0..1}\n"
                   "also:\n"
                   "  - {policy: e, lr: 0.25, seed: 5..6}\n"
                   "  - {augment: [flip]}\n"
                   "except:\n"
                   "  - {policy: full, seed: 1}\n"
                   "  - {policy: d0, lr: 0.25}\n"
                   "  - {lr: 0.25, seed: 6, format: fp32}\n");
    cr_assert_eq(grid.count, 5);
    cr_assert_eq(grid.excluded, 2);
    static const char *const policies[] = {"d0", "d0", "full", "e", "d0"};
    static const uint64_t seeds[] = {0, 1, 0, 5, 0};
    for (size_t i = 0; i < 5; i++) {
        cr_assert_str_eq(grid.cells[i].config.policy, policies[i]);
        cr_assert_eq(grid.cells[i].config.seed, seeds[i]);
        cr_assert_eq(grid.cells[i].config.learning_rate, i == 3 ? 0.25 : 0.001);
    }
    read_good(BASE "also: [{}]\n");
    cr_assert_eq(grid.count, 1);
    cr_assert_eq(grid.key_count, 0);
    assert_settings(0, "");
}

/* The keys of the file that have no default may come from an axis. */
Test(grid, an_axis_may_give_what_the_base_lacks) {
    read_good("data: {count: 6}\nsweep: {weights: [a, b], data.set: [synthetic]}\n");
    cr_assert_eq(grid.count, 2);
    cr_assert_str_eq(grid.cells[1].config.weights, "b");
}

Test(grid, the_command_line_wins_and_equal_cells_are_one) {
    char *overrides[] = {"policy=e", "data.count=9", "augment=[crop]"};
    cr_assert_eq(read_with(BASE "sweep: {policy: [d0, full], seed: 0..2}\n", 3, overrides), MD_OK,
                 "%s", error.text);
    cr_assert_eq(grid.count, 3);
    cr_assert_eq(grid.repeated, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_str_eq(grid.cells[i].config.policy, "e");
        cr_assert_eq(grid.cells[i].config.data.count, 9);
        cr_assert_eq(grid.cells[i].config.seed, i);
    }
}

/* Whatever does not fit is a cell that says so, one for each budget; what fits is one. */
Test(grid, cells_that_do_not_fit_are_marked) {
    read_good(BASE "batch: 1\nsweep: {policy: [d0, auto], budget_kb: [9000, 8000, 100, 90]}\n");
    cr_assert_eq(grid.count, 6);
    cr_assert_eq(grid.repeated, 2);
    for (size_t i = 0; i < grid.count; i++) {
        const struct md_config *c = &grid.cells[i].config;
        cr_assert_eq(grid.cells[i].needs_bytes > 100000, c->budget_kb < 1000);
        cr_assert_str_eq(c->policy, i < 3 ? "d0" : i == 3 ? "full" : "auto");
    }
}

/* Neither threads nor a budget that is kept changes a result, files do. */
Test(grid, cells_are_equal_when_their_runs_are) {
    read_good(BASE "sweep: {threads: [1, 2], budget_kb: [0, 90000], seed: [1, 1, 2]}\n");
    cr_assert_eq(grid.count, 2);
    cr_assert_eq(grid.repeated, 10);
    cr_assert_eq(grid.cells[1].config.threads, 1);
    read_good(BASE "batch: 1\nsweep: {budget_kb: [3000, 3001], policy: [auto]}\n");
    cr_assert_eq(grid.count, 1, "both budgets have room for the same policy");
    cr_assert_str_neq(grid.cells[0].config.policy, "auto");
    read_good("data: {set: micro}\nsweep: {weights: [scratch, w, v], data.root: [a, b]}\n");
    cr_assert_eq(grid.count, 6);
    read_good(BASE "sweep: {select: [best, last]}\n");
    cr_assert_eq(grid.count, 2);
}

/* However the values are written. */
Test(grid, cells_are_equal_when_their_values_are) {
    static const char *const axes[] = {
        "policy: [e+d0, d0+e, encoder+d0, d0+encoder]",
        "policy: [full, e+d0+d1+d2, d2+d1+d0+e]",
        "policy: [full, auto]",
        "lr: [1e-3, 0.001, .001, 1.0e-3, +1e-3, 10e-4]",
        "weight_decay: [0, -0, 0.0, 0e5]",
        "batch: [10, '10', 010]",
        "seed: [7, 007, 7..7, '7']",
        "cap_m: [80, [80], [8e1], 80.0]",
        "augment: [[flip, gamma], [gamma, flip], ['gamma', flip, flip]]",
        "data.val: [null, ~, '', NULL, Null]",
        "backend: [null, '']",
        "weights: [a/b, a//b, a/./b, a/b/, ./a/b]",
        "weights: [./scratch, ./scratch/]",
    };
    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, BASE "sweep: {%s}\n", axes[i]);
        if (strstr(axes[i], "weights"))
            snprintf(text, sizeof text, "data: {set: synthetic}\nsweep: {%s}\n", axes[i]);
        read_good(text);
        cr_assert_eq(grid.count, 1, "%s: %zu cells", axes[i], grid.count);
        cr_assert_gt(grid.repeated, 0, "%s", axes[i]);
    }
    read_good(
        "data: {set: micro}\nsweep: {weights: [scratch, ./scratch], data.root: [/, ., .., a]}\n");
    cr_assert_eq(grid.count, 8);
    read_good(BASE "sweep: {data.val: [null, 'null', \"~\"]}\n");
    cr_assert_eq(grid.count, 3, "in quotes they are words");
}

/* Before the first cell runs, and `except` and `also` are the ways out. */
Test(grid, a_combination_without_effect_is_an_error_that_names_the_cell) {
    cr_assert_eq(read_with(BASE "sweep: {optimizer: [sgd, adam], momentum: [0, 0.9]}\n", 0, NULL),
                 MD_USAGE);
    assert_contains(error.text, "cell optimizer=adam momentum=0.9: ");
    assert_contains(error.text, "some.yaml:3:47: momentum: has an effect only with optimizer: sgd; "
                                "found 0.9 with optimizer: adam");
    read_good(BASE "sweep: {optimizer: [sgd, adam], momentum: [0, 0.9]}\n"
                   "except: [{optimizer: adam, momentum: 0.9}]\n");
    cr_assert_eq(grid.count, 3);
    read_good(BASE "also: [{optimizer: adam}, {optimizer: sgd, momentum: [0, 0.9]}]\n");
    cr_assert_eq(grid.count, 3);
    cr_assert_eq(read_with(BASE "momentum: 0.9\nsweep: {optimizer: [sgd, adam]}\n", 0, NULL),
                 MD_USAGE);
    assert_contains(error.text, "cell optimizer=adam: ");
    assert_contains(error.text, "some.yaml:3:11: momentum: ");
    read_good(BASE "optimizer: sgd\nmomentum: 0.9\nsweep: {optimizer: [sgd, adam]}\n");
    cr_assert_eq(grid.cells[0].config.momentum, 0.9);
    cr_assert_eq(grid.cells[1].config.momentum, 0, "what belongs to the file's own optimizer");
    char *overrides[] = {"loss=berhu"};
    cr_assert_eq(read_with(BASE "loss: depth_l1\nsweep: {depth_cap_m: [5, 10]}\n", 1, overrides),
                 MD_OK, "%s", error.text);
    cr_assert_eq(grid.count, 1);
    cr_assert_eq(grid.repeated, 1, "is said");
}

/* ---- hashes and names ------------------------------------------------------------------------ */

Test(grid, a_hash_is_of_the_set_of_cells) {
    char hash[33];
    read_good(BASE "sweep: {policy: [d0, full], seed: 0..1}\n");
    memcpy(hash, grid.hash, sizeof hash);
    cr_assert_str_neq(grid.cells[0].hash, grid.cells[1].hash);
    read_good(BASE "lr: 1e-3\nthreads: 3\nsweep: {seed: [1, 0], policy: [full, d0]}\n");
    cr_assert_str_eq(grid.hash, hash, "another order");
    read_good("weights: elsewhere/w\ndata: {set: synthetic, count: 6}\n"
              "also: [{policy: d0, seed: 0..1}, {policy: full, seed: 0}, {policy: full, seed: 1}]");
    cr_assert_str_eq(grid.hash, hash, "other places of the same files, written otherwise");
    read_good(BASE "sweep: {policy: [d0, full], seed: 0..2}\n");
    cr_assert_str_neq(grid.hash, hash);
    read_good(BASE "epochs: 2\nsweep: {policy: [d0, full], seed: 0..1}\n");
    cr_assert_str_neq(grid.hash, hash);
}

Test(grid, names_are_for_files_and_differ) {
    read_good(BASE "sweep:\n  weights: ['.x/a b.h5', '../.h5', \"it's\", dir/]\n"
                   "  lr: [0.1, 0.25]\n  data.test: ['test[0:2]', test]\n");
    cr_assert_eq(grid.count, 16);
    for (size_t i = 0; i < grid.count; i++) {
        const char *name = grid.cells[i].name;
        cr_assert_eq(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "+.-_"),
                     strlen(name), "%s", name);
        cr_assert_neq(name[0], '.');
        cr_assert_neq(name[0], '-');
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(name, grid.cells[k].name);
    }
    assert_contains(grid.cells[0].name, "a_b.h5-lr0.1-test_0_2_-");
    read_good(BASE "also: [{}]\n");
    cr_assert_eq(strncmp(grid.cells[0].name, "cell-", 5), 0);
}

/* ---- freezing -------------------------------------------------------------------------------- */

#define LISTS_AND_QUOTES                                                                           \
    "weights: \"it's\"\nsweep:\n  data.set: [recording, micro]\n"                                  \
    "  data.root: ['a: b', '[x]', '']\n  augment: [[], [flip, crop]]\n"                            \
    "  data.val: ['', 'val[1:2]']\n"

static const char *const frozen[] = {
    BASE "sweep: {policy: [d0, full], data.fraction: [10, 100], lr: [0.1, 1e-7]}\n",
    BASE "batch: 1\nthreads: 2\nsweep: {budget_kb: [3000, 9000], policy: [auto], seed: 0..9}\n",
    BASE "augment: []\nalso: [{}]\n",
    BASE "sweep: {cap_m: [80, [80, 0.1]]}\n",
    BASE "cap_m: [80, 25]\nalso: [{}]\n",
    LISTS_AND_QUOTES,
    /* What has no effect in some cells is not said in them. */
    "weights: w\nalso:\n- {data.set: synthetic, data.world: road, data.count: 3}\n"
    "- {data.set: [kitti, h5], data.picture: [whole, square]}\n"
    "- {data.set: cache, optimizer: sgd, momentum: 0.5, data.val: ''}\n",
};

Test(grid, a_frozen_grid_is_the_same_grid) {
    for (size_t f = 0; f < sizeof frozen / sizeof frozen[0]; f++) {
        read_good(frozen[f]);
        struct md_grid before = grid;
        grid = (struct md_grid){0};
        char *text = md_grid_format(&before);
        cr_assert(text);
        read_good(text);
        cr_assert_str_eq(grid.hash, before.hash);
        cr_assert_eq(grid.count, before.count);
        for (size_t i = 0; i < grid.count; i++) {
            char full[2][32768];
            md_config_format(&before.cells[i].config, 1, full[0], sizeof full[0]);
            md_config_format(&grid.cells[i].config, 1, full[1], sizeof full[1]);
            cr_assert_str_eq(full[0], full[1]);
            cr_assert_str_eq(grid.cells[i].name, before.cells[i].name);
        }
        char *again = md_grid_format(&grid);
        cr_assert_str_eq(again, text);
        free(again);
        free(text);
        md_grid_free(&before);
    }
}

Test(grid, a_frozen_grid_that_was_changed_is_refused) {
    read_good(frozen[0]);
    char *text = md_grid_format(&grid), *epochs = strstr(text, "epochs: '1'");
    cr_assert(epochs);
    epochs[9] = '2';
    cr_assert_eq(read_with(text, 0, NULL), MD_USAGE);
    assert_contains(error.text, "some.yaml:2:7: grid: ");
    assert_contains(error.text, "changed after it was frozen");
    free(text);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static const struct {
    const char *text, *where, *message; /* where: the line and the key */
} broken[] = {
    {BASE, "some.yaml: ", "expected `sweep:` or `also:`"},
    {"", "some.yaml: ", "expected `sweep:` or `also:`"},
    {"- a\n", "some.yaml: ", "\"key: value\" pairs"},
    {BASE "lr: x\nsweep: {seed: 0..1}\n", "some.yaml:3:5: lr: ", "expected a number"},
    {BASE "sweep: {seed: 0..1}\nsweep: {seed: 2..3}\n", "some.yaml:4:1: sweep: ", "given twice"},
    {BASE "sweep: [seed]\n", "some.yaml:3:8: sweep: ", "expected a mapping"},
    {BASE "sweep:\n", "some.yaml:3:7: sweep: ", "expected a mapping"},
    {BASE "sweep:\n  policy: [d0]\n  epoch: [1]\n", "some.yaml:5:11: epoch: ", "unknown key"},
    {BASE "sweep:\n  data.sed: [1]\n", "some.yaml:4:14: data.sed: ", "unknown key"},
    {BASE "sweep:\n  policy:\n  - d0\n  - d7\n", "some.yaml:6:5: policy: ", "found \"d7\""},
    {BASE "sweep:\n  lr: [0.1, 11]\n", "some.yaml:4:13: lr: ", "expected 0 to 10"},
    {BASE "sweep:\n  lr: 0.1\n", "some.yaml:4:7: lr: ", "expected a list of values, or a range"},
    {BASE "sweep:\n  lr: []\n", "some.yaml:4:7: lr: ", "at least one value"},
    {BASE "sweep:\n  lr: {a: 1}\n", "some.yaml:4:7: lr: ", "expected a list of values"},
    {BASE "sweep:\n  seed: 4..0\n", "some.yaml:4:9: seed: ", "from a smaller to a larger"},
    {BASE "sweep:\n  seed: 0..\n", "some.yaml:4:9: seed: ", "or a range such as 0..4"},
    {BASE "sweep:\n  seed: -1..4\n", "some.yaml:4:9: seed: ", "or a range such as 0..4"},
    {BASE "sweep:\n  seed: 0..4000000000\n", "some.yaml:4:9: seed: ", "more than 10000 values"},
    {BASE "sweep:\n  lr: [1..11]\n", "some.yaml:4:8: lr: ", "expected 0 to 10"},
    {BASE "sweep:\n  augment: [flip]\n", "some.yaml:4:13: augment: ", "expected a list such as"},
    {BASE "sweep:\n  seed: [1]\n  seed: [2]\n", "some.yaml:5:3: seed: ", "given twice"},
    {BASE "sweep:\n  [a]: [2]\n", "some.yaml:4:3: ", "expected a key, found a list"},
    {BASE "sweep: {seed: 0..999, batch: 1..11}\n", "some.yaml: ", "more than 10000 cells"},
    {BASE "also: {seed: 1}\n", "some.yaml:3:7: also: ", "expected a list of mappings"},
    {BASE "also:\n  - seed\n", "some.yaml:4:5: also: ", "expected a mapping"},
    {BASE "also:\n  - {seed: x}\n", "some.yaml:4:12: seed: ", "expected a whole number"},
    {BASE "sweep: {seed: 0..1}\nexcept: {seed: 1}\n", "some.yaml:4:9: except: ", "expected a list"},
    {BASE "sweep: {seed: 0..1}\nexcept: [{}]\n", "some.yaml:4:10: except: ", "expected keys"},
    {BASE "sweep: {seed: 0..1}\nexcept: [{sed: 1}]\n", "some.yaml:4:16: sed: ", "unknown key"},
    {BASE "sweep: {seed: 0..1}\nexcept: [{seed: [0, 1]}]\n",
     "some.yaml:4:18: seed: ", "single value"},
    {BASE "sweep: {seed: 0..1}\nexcept: [{format: fp32}]\n", "some.yaml: ", "no cell is left"},
    {BASE "sweep: {seed: 0..1}\ngrid: abc\n", "some.yaml:4:7: grid: ", "the cells' hash is"},
    {"weights: w\nsweep: {seed: 0..1}\n", "cell seed=0: some.yaml: ", "data.set is missing"},
    /* what only a cell as a whole shows */
    {BASE "sweep: {format: [fp32, bf16], weight_storage: [plain, kahan]}\n",
     "cell format=fp32 weight_storage=kahan: ", "needs a 16-bit format"},
    {BASE "sweep: {format: [fp16], batch: 28..30}\n",
     "cell format=fp16 batch=29: ", "expected at most 28"},
    {BASE "sweep: {seed: 7..8, backend: [ref, mmx]}\n",
     "cell seed=7 backend=mmx: ", "does not exist here"},
};

/* An error's text with the folder of the file taken out. */
static const char *without_folder(void) {
    static char text[sizeof error.text];
    size_t length = strlen(scratch.folder) + 1;
    snprintf(text, sizeof text, "%s", error.text);
    for (char *found; (found = strstr(text, scratch.folder)) != NULL;)
        memmove(found, found + length, strlen(found + length) + 1);
    return text;
}

Test(grid, errors_name_line_and_key) {
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        cr_assert_eq(read_with(broken[i].text, 0, NULL), MD_USAGE, "%s", broken[i].text);
        const char *text = without_folder();
        cr_assert_eq(strncmp(text, broken[i].where, strlen(broken[i].where)), 0,
                     "expected \"%s...\", found \"%s\"", broken[i].where, text);
        assert_contains(text, broken[i].message);
        cr_assert_null(grid.cells);
    }
    char *overrides[] = {"lr=x"};
    cr_assert_eq(read_with(BASE "sweep: {seed: 0..1}\n", 1, overrides), MD_USAGE);
    assert_contains(error.text, "command line: lr: expected a number");
    cr_assert_eq(md_grid_read("missing.yaml", 0, NULL, &grid, &error), MD_FAILED);
    assert_contains(error.text, "missing.yaml");
}

/* So a grid can leave out what does not fit. */
Test(grid, excluded_cells_need_not_be_valid) {
    read_good(BASE "sweep: {format: [fp32, bf16], weight_storage: [plain, kahan]}\n"
                   "except: [{format: fp32, weight_storage: kahan}]\n");
    cr_assert_eq(grid.count, 3);
}

/* Each key is compared with those before it. */
Test(grid, too_many_keys_are_refused_at_once) {
    char text[1200 * 10], *end = text;
    for (int k = 0; k < 1200; k++)
        end += sprintf(end, "k%d: \n", k);
    cr_assert_eq(read_with(text, 0, NULL), MD_USAGE);
    assert_contains(error.text, "some.yaml:1001:1: more than 1000 keys");
}

/* libyaml takes the square of the nesting: a megabyte of it would take an hour. */
Test(grid, deep_nesting_is_refused_at_once, .timeout = 600) {
    static const char *const nests[] = {"[", "{a: ", "- ", "[\n"};
    for (int n = 0; n < 4; n++) {
        size_t length = strlen(nests[n]), count = 1000000 / length;
        char *text = malloc(count * length + 1);
        for (size_t i = 0; i < count; i++)
            memcpy(text + i * length, nests[n], length + 1);
        cr_assert_eq(read_with(text, 0, NULL), MD_USAGE);
        assert_contains(error.text, "nested deeper than");
        free(text);
    }
}
