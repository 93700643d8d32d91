/* mudepth pretrain: a run from scratch, for the sake of its weights. */
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define DEFAULT_CONFIG "configs/pretrain.yaml"

/* What `mudepth run` is asked to do: at most all words of this call, and these few. */
enum { MORE_WORDS = 8 };

static int translate(int argc, char **argv, char **words, int *count, struct md_error *error) {
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"resume", no_argument, NULL, 'r'},
                                            {"figures", no_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    char *output = NULL;
    words[(*count)++] = "run";
    for (int c; (c = md_next_option(argc, argv, ":o:", options, error)) != -1;) {
        if (c == '?')
            return MD_USAGE;
        if (c == 'o')
            output = optarg;
        else
            words[(*count)++] = c == 'r' ? "--resume" : c == 'f' ? "--figures" : "--json";
    }
    if (output == NULL)
        return md_fail(error, MD_USAGE, "expected -o WEIGHTS.h5; see mudepth pretrain --help");
    words[(*count)++] = "--save-weights";
    words[(*count)++] = output;
    words[(*count)++] = "--";
    int has_config = optind < argc && strchr(argv[optind], '=') == NULL;
    words[(*count)++] = has_config ? argv[optind++] : DEFAULT_CONFIG;
    words[(*count)++] = "weights=scratch";
    while (optind < argc)
        words[(*count)++] = argv[optind++];
    return MD_OK;
}

static int run(int argc, char **argv, struct md_error *error) {
    int count = 0;
    char **words = calloc((size_t)argc + MORE_WORDS, sizeof *words);
    if (words == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    int status = translate(argc, argv, words, &count, error);
    optind = 0; /* getopt starts anew */
    if (status == MD_OK)
        status = md_command_run.run(count, words, error);
    free(words);
    return status;
}

const struct md_command md_command_pretrain = {
    "pretrain", "train a network from scratch and write its weights",
    "[CONFIG.yaml] [KEY=VALUE ...] -o WEIGHTS.h5 [options]\n\n"
    "  -o, --output WEIGHTS.h5  the weights; refuses to replace a file\n"
    "      --resume             continue from the checkpoint an interrupted call left\n"
    "      --figures            also draw a contact sheet and a loss curve beside the cell\n"
    "      --json               print the result as JSON\n\n"
    "It is mudepth run with weights=scratch: the cell of the run is where mudepth run puts it,\n"
    "and mudepth run --help lists the keys. Of a run that diverged no weights are written. Without "
    "CONFIG.yaml it is " DEFAULT_CONFIG ",\n"
    "which trains on the synthetic source world.\n\n"
    "examples:\n"
    "  mudepth pretrain -o source.h5\n"
    "  mudepth pretrain data.world=road data.seed=7 -o road.h5\n"
    "  mudepth pretrain data.set=micro data.root=micro-tartanair data.val=val data.test=test \\\n"
    "      -o tartanair.h5\n",
    NULL, run};
