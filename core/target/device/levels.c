/* Which operators there are on a device. */
#include "../../ops.h"

extern const struct md_ops md_lanes_v2f16_fp16;

/* One row per level and format, from the slowest to the fastest. fp64 is no device format. */
#define ROWS(format, id)                                                                           \
    {id, "ref", &md_ops_ref_##format, NULL}, {                                                     \
        id, "scalar", &md_ops_ref_##format, &md_lanes_scalar_##format                              \
    }
static const struct {
    enum md_format format;
    const char *level;
    const struct md_ops *plain, *optimised;
} rows[] = {ROWS(fp32, MD_FP32),   ROWS(bf16, MD_BF16),
            ROWS(fp16w, MD_FP16W), ROWS(bf16w, MD_BF16W),
            ROWS(fp16, MD_FP16),   {MD_FP16, "v2f16", &md_ops_ref_fp16, &md_lanes_v2f16_fp16}};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static struct md_ops table; /* the dispatch table: a program does one job */

static const struct md_ops *fill_table(int row) {
    table = md_ops_overlaid(rows[row].level, rows[row].plain, rows[row].optimised);
    return &table;
}

static int same(const char *a, const char *b) {
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

const struct md_ops *md_ops_find(enum md_format format, const char *level) {
    const struct md_ops *found = NULL;
    int best = level == NULL || level[0] == '\0';
    for (int i = 0; i < ROW_COUNT; i++) {
        if (rows[i].format == format && (best || same(rows[i].level, level)))
            found = fill_table(i);
    }
    return found;
}
