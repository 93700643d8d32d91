/* mudepth weights: import published checkpoints (or a cell's weights), export them for other
 * programs, and say what is in a file. */
#include <stdlib.h>
#include <string.h>

#include "../experiments/version.h"
#include "../results/export.h"
#include "command.h"

struct options {
    const char *output;
    int type; /* enum md_export_type */
    int json;
};

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

static int show(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    const char *path = call->words[0];
    const struct md_network *network;
    struct md_weights_info info = {0};
    float *values;
    int status = md_read_any_weights(path, &network, &values, &info, error);
    if (status == MD_OK && o->json)
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

static int import(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    const char *from = call->words[0], *to = o->output;
    const struct md_network *network;
    struct md_weights_info info = {0};
    float *values = NULL;
    int status = md_read_any_weights(from, &network, &values, &info, error);
    if (status == MD_OK) {
        if (info.command[0] == '\0') /* a published file does not say how it came about */
            snprintf(info.command, sizeof info.command, "mudepth weights import %.500s -o %.500s",
                     from, to);
        if (info.code_version[0] == '\0')
            snprintf(info.code_version, sizeof info.code_version, "%s", md_code_version());
        status = md_weights_write(to, network, values, &info, error);
    }
    if (status == MD_OK && o->json)
        status = md_print_json(to_json(to, network, &info), error);
    else if (status == MD_OK)
        printf("%s: %s, %zu parameters, stored as %s there\n", to, network->name,
               md_parameter_total(network), info.stored_as);
    free(values);
    return status;
}

static int export(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    const struct md_network *network;
    struct md_weights_info info = {0};
    float *values = NULL;
    int status = md_read_any_weights(call->words[0], &network, &values, &info, error);
    MD_THEN(status, md_weights_export(o->output, network, values, &info, o->type, error));
    if (status == MD_OK) {
        size_t count = md_parameter_total(network);
        size_t rounded = o->type == MD_EXPORT_BFLOAT16 ? md_export_rounded(values, count) : 0;
        if (o->json)
            status = md_print_json(json_pack("{s:s, s:s, s:I, s:s, s:I, s:s}", "file", o->output,
                                             "network", network->name, "parameters",
                                             (json_int_t)count, "type", md_export_types[o->type],
                                             "rounded", (json_int_t)rounded, "digest", info.digest),
                                   error);
        else
            printf("%s: %s, %zu parameters as %s, %zu rounded\n", o->output, network->name, count,
                   md_export_types[o->type], rounded);
    }
    free(values);
    return status;
}

static const struct md_option info_options[] = {MD_OPT_JSON, {0}};
static const struct md_command command_info = {.name = "info",
                                               .summary = "say what is in a file",
                                               .words = {{"FILE", MD_WORD_PATH, MD_ONE, NULL}},
                                               MD_OPTIONS(info_options),
                                               .run = show};
static const struct md_option import_options[] = {
    MD_OPT("output", 'o', OUTPUT, output, "OUT.h5", "the copy", .is_required = 1),
    MD_OPT_JSON,
    {0}};
static const struct md_command command_import = {.name = "import",
                                                 .summary = "copy weights into a file of our own",
                                                 .words = {{"FILE", MD_WORD_PATH, MD_ONE, NULL}},
                                                 MD_OPTIONS(import_options),
                                                 .run = import};
static const struct md_option export_options[] = {
    MD_OPT("output", 'o', OUTPUT, output, "OUT.pth|npz|h|onnx",
           "a PyTorch state dict, NumPy arrays, a C header, or an ONNX model", .is_required = 1),
    MD_OPT(
        "type", 0, CHOICE, type, "T",
        "float32 (the default: every bit is kept), or bfloat16 (nearest value; .pth and .h only)",
        .names = md_export_types),
    MD_OPT_JSON,
    {0}};
static const struct md_command command_export = {.name = "export",
                                                 .summary = "write weights for other programs",
                                                 .words = {{"FILE", MD_WORD_PATH, MD_ONE, NULL}},
                                                 MD_OPTIONS(export_options),
                                                 .run = export};
static const struct md_command *const actions[] = {&command_info, &command_import, &command_export,
                                                   NULL};

const struct md_command md_command_weights = {
    .name = "weights",
    .summary = "import published checkpoints; export weights; say what a weights file holds",
    .commands = actions,
    .notes = "FILE is a published .pth (float32 or bfloat16), a result cell or a weights file. The "
             "copy keeps where the weights came from. The .pth is read by torch.load with "
             "weights_only=True into the released model. An ONNX model has the network too: from "
             "picture "
             "(batch, 3, 48, 48; RGB from 0 to 1) to disparity; depth is FB / disparity.",
    .examples = "  mudepth weights import tartanair_pretrain.pth -o tartanair.h5\n"
                "  mudepth weights info tartanair.h5\n"
                "  mudepth weights export results/runs/CELL.h5 -o finetuned.pth --type bfloat16"};
