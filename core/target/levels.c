/* Which operators there are on a machine with an operating system, and which of them its processor
 * can run. */
#include "host.h"

#if defined(MD_VECTOR_LEVELS) && defined(__x86_64__)
#include <cpuid.h>
#elif defined(MD_VECTOR_LEVELS)
#include <sys/auxv.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int runs_everywhere(void) {
    return 1;
}

#if defined(MD_VECTOR_LEVELS) && defined(__x86_64__)
static int runs_avx2(void) {
    unsigned a, b, c = 0, d; /* not every compiler's __builtin_cpu_supports knows F16C */
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0 &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static int runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static int runs_avx512fp16(void) {
    unsigned a, b, c, d = 0; /* nor AVX512-FP16 */
    return runs_avx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 23 & 1u) != 0;
}

#define VECTOR_ROWS(format, id)                                                                    \
    {"avx2", &md_ops_avx2_##format, &md_lanes_avx2_##format, runs_avx2, id},                       \
        {"avx512", &md_ops_avx512_##format, &md_lanes_avx512_##format, runs_avx512, id},
#define HALF_ROWS                                                                                  \
    {"avx512fp16", &md_ops_avx512fp16_fp16, &md_lanes_avx512fp16_fp16, runs_avx512fp16, MD_FP16},
#elif defined(MD_VECTOR_LEVELS)
static int runs_neonfp16(void) {
    const unsigned long wanted = 1ul << 9 | 1ul << 10; /* HWCAP_FPHP, HWCAP_ASIMDHP */
    return (getauxval(AT_HWCAP) & wanted) == wanted;
}

#define VECTOR_ROWS(format, id)                                                                    \
    {"neon", &md_ops_ref_##format, &md_lanes_neon_##format, runs_everywhere, id},
#define HALF_ROWS                                                                                  \
    {"neonfp16", &md_ops_neonfp16_fp16, &md_lanes_neonfp16_fp16, runs_neonfp16, MD_FP16},
#else
#define VECTOR_ROWS(format, id)
#define HALF_ROWS
#endif

/* One row per level and format, from a format's slowest to its fastest; `blas` is last and is only
 * taken when asked for. A row without plain loops of its own stands on the best row before it. */
#define ROWS(format, id)                                                                           \
    {"ref", &md_ops_ref_##format, NULL, runs_everywhere, id},                                      \
        {"scalar", &md_ops_ref_##format, &md_lanes_scalar_##format, runs_everywhere, id},          \
        VECTOR_ROWS(format, id)
static const struct level {
    const char *name;
    const struct md_ops *plain;
    const struct md_ops *optimised;
    int (*runs)(void);
    enum md_format format;
} levels[] = {
    ROWS(fp32, MD_FP32) ROWS(fp64, MD_FP64) ROWS(fp16, MD_FP16) ROWS(bf16, MD_BF16)
        ROWS(fp16w, MD_FP16W) ROWS(bf16w, MD_BF16W) HALF_ROWS /* have their commas */
#if !defined(MD_WITHOUT_BLAS)
    {"blas", NULL, &md_blas_fp32, md_blas_start, MD_FP32},
#endif
};
enum { LEVELS = sizeof levels / sizeof levels[0] };

/* The dispatch table, and which of its rows can run here. */
static struct md_ops tables[LEVELS];
static int runs_here[LEVELS];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* The fastest exact table of row i's format, among the rows before it. */
static const struct md_ops *best_before(int i) {
    const struct md_ops *best = &tables[0];
    for (int j = 0; j < i; j++)
        if (levels[j].format == levels[i].format && runs_here[j])
            best = &tables[j];
    return best;
}

static void fill_tables(void) {
    for (int i = 0; i < LEVELS; i++) {
        runs_here[i] = levels[i].runs();
        tables[i] = md_ops_overlaid(levels[i].name,
                                    levels[i].plain != NULL ? levels[i].plain : best_before(i),
                                    levels[i].optimised);
    }
}

const char *md_host_level(void) {
    const char *level = getenv("MUDEPTH_CPU");
    return level != NULL ? level : "";
}

/* The last row of a format that has this name ("": any) and can run here. */
static const struct md_ops *last_row(enum md_format format, const char *name, int with_blas) {
    const struct md_ops *found = NULL;
    for (int i = 0; i < LEVELS; i++)
        if (levels[i].format == format && runs_here[i] && (with_blas || levels[i].plain != NULL) &&
            (name[0] == '\0' || strcmp(levels[i].name, name) == 0))
            found = &tables[i];
    return found;
}

const struct md_ops *md_ops_find(enum md_format format, const char *level) {
    pthread_once(&tables_once, fill_tables);
    if (level != NULL && level[0] != '\0')
        return last_row(format, level, 1);
    level = md_host_level();
    const struct md_ops *found = last_row(format, level, 0);
    for (int other = 0; found == NULL && other < MD_FORMAT_COUNT; other++)
        if (last_row((enum md_format)other, level, 0) != NULL)
            found = last_row(format, "", 0);
    return found;
}

int md_ops_levels(enum md_format format, const char *names[8]) {
    int count = 0;
    pthread_once(&tables_once, fill_tables);
    for (int i = 0; i < LEVELS && count < 7; i++)
        if (levels[i].format == format && runs_here[i])
            names[count++] = levels[i].name;
    names[count] = NULL;
    return count;
}

const char *md_host_levels(enum md_format format, char text[MD_HOST_LEVELS_TEXT]) {
    const char *names[8];
    int count = md_ops_levels(format, names), at = 0;
    for (int i = 0; i < count; i++)
        at += snprintf(text + at, (size_t)(MD_HOST_LEVELS_TEXT - at), "%s%s", i > 0 ? ", " : "",
                       names[i]);
    return text;
}
