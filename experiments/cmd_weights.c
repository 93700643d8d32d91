/* mudepth weights: import published checkpoints (or a cell's weights), and say what is in a
 * file. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../results/weights.h"
#include "command.h"
#include "version.h"

/* Reads any weights file. */
static int read_any(const char *path, const struct md_network **network, float **values,
                    struct md_weights_info *info, struct md_error *error) {
    *values = NULL;
    int status = md_weights_network(path, network, error);
    if (status != MD_OK)
        return status;
    *values = malloc(md_parameter_total(*network) * sizeof **values);
    if (*values == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    return md_weights_read(path, *network, *values, info, error);
}

static json_t *to_json(const char *path, const struct md_network *network,
                       const struct md_weights_info *info) {
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "file", path, "network",
                     network->name, "parameters", (json_int_t)md_parameter_total(network),
                     "stored_as", info->stored_as, "source", info->source, "command", info->command,
                     "code_version", info->code_version, "digest", info->digest);
}

static void print_tensors(const struct md_network *network, const float *values) {
    struct md_parameter p;
    printf("\n%-24s %-16s %9s %11s %11s %11s\n", "tensor", "shape", "elements", "smallest", "mean",
           "largest");
    for (int i = 0; md_parameter(network, i, &p) == 0; i++) {
        const float *v = values + p.offset;
        double low = v[0], high = v[0], sum = 0.0;
        char shape[40];
        for (size_t k = 0; k < p.count; k++) {
            low = v[k] < low ? v[k] : low;
            high = v[k] > high ? v[k] : high;
            sum += v[k];
        }
        if (p.dimensions == 1)
            snprintf(shape, sizeof shape, "(%d)", p.shape[0]);
        else
            snprintf(shape, sizeof shape, "(%d, %d, %d, %d)", p.shape[0], p.shape[1], p.shape[2],
                     p.shape[3]);
        printf("%-24s %-16s %9zu %11.4g %11.4g %11.4g\n", p.name, shape, p.count, low,
               sum / (double)p.count, high);
    }
}

static int show(const char *path, int json, struct md_error *error) {
    const struct md_network *network;
    struct md_weights_info info = {0};
    float *values;
    int status = read_any(path, &network, &values, &info, error);
    if (status == MD_OK && json)
        status = md_print_json(to_json(path, network, &info), error);
    else if (status == MD_OK) {
        printf("network:      %s, %zu parameters\nstored as:    %s\nsource:       %s\n"
               "command:      %s\ncode version: %s\ndigest:       %s\n",
               network->name, md_parameter_total(network), info.stored_as, info.source,
               info.command, info.code_version, info.digest);
        print_tensors(network, values);
    }
    free(values);
    return status;
}

static int import(const char *from, const char *to, int json, struct md_error *error) {
    const struct md_network *network;
    struct md_weights_info info = {0};
    float *values;
    if (access(to, F_OK) == 0)
        return md_fail(error, MD_USAGE, "%.400s: is there already; remove it or give another -o",
                       to);
    int status = read_any(from, &network, &values, &info, error);
    if (status == MD_OK) {
        if (info.command[0] == '\0') /* a published file does not say how it came about */
            snprintf(info.command, sizeof info.command, "mudepth weights import %.500s -o %.500s",
                     from, to);
        if (info.code_version[0] == '\0')
            snprintf(info.code_version, sizeof info.code_version, "%s", md_code_version());
        status = md_weights_write(to, network, values, &info, error);
    }
    if (status == MD_OK && json)
        status = md_print_json(to_json(to, network, &info), error);
    else if (status == MD_OK)
        printf("%s: %s, %zu parameters, stored as %s there\n", to, network->name,
               md_parameter_total(network), info.stored_as);
    free(values);
    return status;
}

static int run(int argc, char **argv, struct md_error *error) {
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"json", no_argument, NULL, 'j'}, {0}};
    const char *output = NULL;
    int json = 0;
    for (int c; (c = md_next_option(argc, argv, ":o:", options, error)) != -1;) {
        if (c == '?')
            return MD_USAGE;
        output = c == 'o' ? optarg : output;
        json |= c == 'j';
    }
    const char *what = optind < argc ? argv[optind] : "";
    if (argc - optind == 2 && strcmp(what, "info") == 0 && output == NULL)
        return show(argv[optind + 1], json, error);
    if (argc - optind == 2 && strcmp(what, "import") == 0 && output != NULL)
        return import(argv[optind + 1], output, json, error);
    return md_fail(
        error, MD_USAGE,
        "expected \"import FILE -o OUT.h5\" or \"info FILE\"; see mudepth weights --help");
}

const struct md_command md_command_weights = {
    "weights", "import published checkpoints; say what a weights file holds",
    "import FILE -o OUT.h5 [--json]\n"
    "       mudepth weights info FILE [--json]\n\n"
    "  -o, --output OUT.h5  the copy; refuses to replace a file\n"
    "      --json           print what the file holds as JSON\n\n"
    "FILE is a published .pth (float32 or bfloat16), a result cell or a weights file. The copy\n"
    "keeps where the weights came from.\n\n"
    "examples:\n"
    "  mudepth weights import tartanair_pretrain.pth -o tartanair.h5\n"
    "  mudepth weights info tartanair.h5\n",
    NULL, run};
