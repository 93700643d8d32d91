/* As much of Criterion as the tests of core need, for machines that it is not there for: the same
 * test files, one process, and the first failure ends it. Words behind the program's name choose
 * tests by a part of their name. Include it in one file of a program only. */
#ifndef MD_TESTS_PLAIN_CRITERION_H
#define MD_TESTS_PLAIN_CRITERION_H
#pragma GCC system_header /* variadic macros with nothing to vary */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_test {
    const char *name;
    void (*run)(void), (*init)(void);
    struct plain_test *next;
};
static struct plain_test *plain_first, **plain_last = &plain_first;
static void (*plain_init)(void);

#define TestSuite(suite, settings)                                                                 \
    __attribute__((constructor)) static void suite##_settings(void) {                              \
        static const struct plain_test given = {settings};                                         \
        plain_init = given.init;                                                                   \
    }                                                                                              \
    struct plain_test

#define Test(suite, test)                                                                          \
    static void suite##_##test(void);                                                              \
    __attribute__((constructor)) static void suite##_##test##_add(void) {                          \
        static struct plain_test this = {#suite "/" #test, suite##_##test, NULL, NULL};            \
        *plain_last = &this;                                                                       \
        plain_last = &this.next;                                                                   \
    }                                                                                              \
    static void suite##_##test(void)

#define cr_assert(holds, ...)                                                                      \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds);                            \
            fprintf(stderr, "" __VA_ARGS__);                                                       \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define cr_assert_eq(a, b, ...)     cr_assert((a) == (b), "" __VA_ARGS__)
#define cr_assert_gt(a, b, ...)     cr_assert((a) > (b), "" __VA_ARGS__)
#define cr_assert_geq(a, b, ...)    cr_assert((a) >= (b), "" __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) cr_assert(strcmp(a, b) == 0, "" __VA_ARGS__)

int main(int count, char **words) {
    int done = 0;
    for (const struct plain_test *test = plain_first; test != NULL; test = test->next) {
        int chosen = count == 1;
        for (int w = 1; w < count; w++)
            chosen |= strstr(test->name, words[w]) != NULL;
        if (!chosen)
            continue;
        if (plain_init != NULL)
            plain_init();
        printf("%s\n", test->name);
        fflush(stdout);
        test->run();
        done++;
    }
    printf("%d tests passed\n", done);
    return done > 0 ? 0 : 1;
}

#endif
