/* For the tests of operators, which lie between fences: what was running when one was touched. */
#ifndef MD_TESTS_CRASHES_H
#define MD_TESTS_CRASHES_H

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* What is running, for the message when it touches a fence and dies. */
static char running[256];

static inline void tell_and_die(int signal_number) {
    ssize_t written = write(STDERR_FILENO, running, strlen(running));
    signal(signal_number, SIG_DFL);
    raise(written >= 0 ? signal_number : SIGABRT);
}

static inline void tell_of_crashes(void) {
    signal(SIGSEGV, tell_and_die);
    signal(SIGBUS, tell_and_die);
}

#endif
