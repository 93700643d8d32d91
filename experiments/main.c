#include <stdio.h>
#include <string.h>

#include "../core/target/host.h"
#include "command.h"
#include "version.h"

volatile sig_atomic_t md_stop_requested;

static const struct md_command *const commands[] = {
    &md_command_run,     &md_command_pretrain, &md_command_sweep,
    &md_command_resume,  &md_command_rerun,    &md_command_status,
    &md_command_eval,    &md_command_golden,   &md_command_predict,
    &md_command_weights, &md_command_data,     &md_command_compare,
    &md_command_plan,    &md_command_query,    &md_command_diff,
    &md_command_table,   &md_command_plot,     NULL};

static void request_stop(int signal_number) {
    (void)signal_number;
    md_stop_requested = 1;
}

static void print_usage(FILE *to) {
    fprintf(to, "mudepth: on-device learning of monocular depth, on a host\n\n"
                "usage: mudepth COMMAND [options]    (mudepth COMMAND --help says more)\n\n");
    for (int i = 0; commands[i] != NULL; i++)
        fprintf(to, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(
        to,
        "\n  --version  what this program was built from\n\n"
        "environment: MUDEPTH_CPU=ref, scalar, avx2 or avx512 forces an instruction set, where\n"
        "no backend is asked for; the results are the same to the bit\n\n"
        "exit code: 0 fine, 1 failed, 2 wrong usage\n");
}

static int asks_for_help(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return 1;
    return 0;
}

static int run_command(const struct md_command *command, int argc, char **argv) {
    struct md_error error = {{0}};
    if (asks_for_help(argc, argv)) {
        printf("mudepth %s: %s\n\nusage: mudepth %s %s", command->name, command->summary,
               command->name, command->help);
        if (command->help_more != NULL)
            command->help_more();
        return MD_OK;
    }
    if (md_ops_find(MD_FP32, NULL) == NULL) {
        fprintf(stderr, "mudepth: MUDEPTH_CPU=%.100s does not exist here; there is",
                md_host_level());
        const char *levels[8];
        for (int i = 0, count = md_ops_levels(MD_FP64, levels); i < count; i++)
            fprintf(stderr, "%s %s", i > 0 ? "," : "", levels[i]);
        fprintf(stderr, "\n");
        return MD_USAGE;
    }
    int status = command->run(argc, argv, &error);
    if (status != MD_OK && error.text[0] != '\0')
        fprintf(stderr, "mudepth %s: %s\n", command->name, error.text);
    return status;
}

static int dispatch(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    for (int i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return run_command(commands[i], argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0) {
        printf("mudepth %s (%s %s)\n", md_code_version(), md_compiler(), md_compiler_flags());
        return MD_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return MD_OK;
    }
    if (argc > 1)
        fprintf(stderr, "mudepth: unknown command \"%s\"; see mudepth --help\n", name);
    else
        print_usage(stderr);
    return MD_USAGE;
}

int main(int argc, char **argv) {
    /* The second signal ends the program at once. */
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int status = dispatch(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == MD_OK) {
        fprintf(stderr, "mudepth: cannot write to standard output\n");
        status = MD_FAILED;
    }
    return status;
}
