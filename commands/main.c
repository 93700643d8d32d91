#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../core/target/host.h"
#include "../experiments/version.h"
#include "command.h"
#include "commands.h"
#include "help.h"

volatile sig_atomic_t md_stop_requested;
int md_verbosity;

static pid_t self; /* its workers are told by it */

static void request_stop(int signal_number) {
    static const char end[] = "\n";
    int kept = errno;
    (void)signal_number;
    md_stop_requested = 1;
    if (md_verbosity >= 0 && getpid() == self &&
        write(STDERR_FILENO, md_stop_message, strlen(md_stop_message)) > 0)
        (void)!write(STDERR_FILENO, end, 1);
    errno = kept;
}

static int is_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int asks_for_help(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return 1;
    return 0;
}

/* MUDEPTH_CPU names a level that there is. */
static int check_level(struct md_error *error) {
    char levels[MD_HOST_LEVELS_TEXT];
    if (md_ops_find(MD_FP32, NULL) != NULL)
        return MD_OK;
    return md_fail(error, MD_USAGE, "MUDEPTH_CPU=%.100s does not exist here; there is %s",
                   md_host_level(), md_host_levels(MD_FP16, levels));
}

static int dispatch(int argc, char **argv, struct md_found *found, struct md_error *error) {
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("mudepth %s (%s %s)\n", md_code_version(), md_compiler(), md_compiler_flags());
        return MD_OK;
    }
    int named = argc > 1 && is_help(argv[1]) ? 0 : argc - 1, begun = 0;
    while (begun < named && !is_help(argv[1 + begun]))
        begun++;
    int status = md_command_find(begun, argv + 1, found, error);
    if (status == MD_OK && asks_for_help(argc, argv)) {
        md_help_command(found->command, found->name);
        return MD_OK;
    }
    if (status == MD_OK && found->command->commands != NULL)
        status = md_command_expected(found, error);
    if (status == MD_OK && !found->command->computes_nothing)
        status = check_level(error);
    return status == MD_OK
               ? md_command_invoke(found, argc - found->depth, argv + found->depth, error)
               : status;
}

int main(int argc, char **argv) {
    /* The second signal ends the program at once. */
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = (int)SA_RESETHAND};
    struct md_found found = {.name = ""};
    struct md_error error = {{0}};
    self = getpid();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit (ulimit -f) fails as on a full disk */
    int status = dispatch(argc, argv, &found, &error);
    if (status != MD_OK && error.text[0] != '\0')
        fprintf(stderr, "mudepth%s%s: %s\n", found.name[0] != '\0' ? " " : "", found.name,
                error.text);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == MD_OK) {
        fprintf(stderr, "mudepth: cannot write to standard output\n");
        status = MD_FAILED;
    }
    return status;
}
