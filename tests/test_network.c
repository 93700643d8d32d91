/* The networks' tables against the published ones, and the policies' spelling: core/network.h. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../core/network.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* The table of the paper: layer, channels, output size and parameters of uPyD-Net at 48x48. */
static const struct row {
    const char *name, *skip;
    enum md_layer_kind kind;
    const char *group;
    int ci, co, stride, leaky, side;
    size_t parameters;
} rows[] = {
    {"encoder.conv0", NULL, MD_CONV3X3, "e", 3, 8, 1, 1, 48, 224},
    {"encoder.conv1", NULL, MD_CONV3X3, "e", 8, 8, 1, 1, 48, 584},
    {"encoder.conv2", NULL, MD_CONV3X3, "e", 8, 16, 2, 1, 24, 1168},
    {"encoder.conv3", NULL, MD_CONV3X3, "e", 16, 16, 1, 1, 24, 2320},
    {"encoder.conv4", NULL, MD_CONV3X3, "e", 16, 32, 2, 1, 12, 4640},
    {"encoder.conv5", NULL, MD_CONV3X3, "e", 32, 32, 1, 1, 12, 9248},
    {"decoder0.conv0", NULL, MD_CONV3X3, "d0", 32, 32, 1, 1, 12, 9248},
    {"decoder0.conv1", NULL, MD_CONV3X3, "d0", 32, 32, 1, 1, 12, 9248},
    {"decoder0.conv2", NULL, MD_CONV3X3, "d0", 32, 32, 1, 0, 12, 9248},
    {"ups0", NULL, MD_TCONV2X2, "d0", 32, 32, 1, 0, 24, 4128},
    {"decoder1.conv0", "encoder.conv3", MD_CONV3X3, "d1", 48, 32, 1, 1, 24, 13856},
    {"decoder1.conv1", NULL, MD_CONV3X3, "d1", 32, 32, 1, 1, 24, 9248},
    {"decoder1.conv2", NULL, MD_CONV3X3, "d1", 32, 32, 1, 0, 24, 9248},
    {"ups1", NULL, MD_TCONV2X2, "d1", 32, 32, 1, 0, 48, 4128},
    {"decoder2.conv0", "encoder.conv1", MD_CONV3X3, "d2", 40, 32, 1, 1, 48, 11552},
    {"decoder2.conv1", NULL, MD_CONV3X3, "d2", 32, 32, 1, 1, 48, 9248},
    {"decoder2.conv2", NULL, MD_CONV3X3, "d2", 32, 1, 1, 0, 48, 289},
    {"output", NULL, MD_RELU, "d2", 1, 1, 1, 0, 48, 0},
};

Test(network, upydnet_is_the_published_one) {
    const struct md_network *network = md_network_find("upydnet");
    cr_assert_eq(network, md_networks[0]);
    cr_assert_eq(network->layer_count, (int)LENGTH(rows));
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        const struct row *row = &rows[l];
        int height, width;
        md_layer_size(network, l, &height, &width);
        cr_assert_str_eq(layer->name, row->name);
        cr_assert_eq((enum md_layer_kind)layer->kind, row->kind, "%s", row->name);
        cr_assert_str_eq(network->groups[layer->group], row->group, "%s", row->name);
        cr_assert_eq(layer->input, l - 1, "%s", row->name);
        cr_assert(layer->ci == row->ci && layer->co == row->co, "%s", row->name);
        cr_assert_eq(layer->stride, row->stride, "%s", row->name);
        cr_assert_eq(layer->leaky, row->leaky, "%s", row->name);
        cr_assert(height == row->side && width == row->side, "%s: %dx%d", row->name, height, width);
        cr_assert_eq(md_layer_weights(layer) + md_layer_biases(layer), row->parameters, "%s",
                     row->name);
        if (row->skip == NULL)
            cr_assert_eq(layer->skip, MD_NO_SKIP, "%s", row->name);
        else
            cr_assert_str_eq(network->layers[layer->skip].name, row->skip);
    }
    cr_assert_eq(md_parameter_total(network), 107625);
}

/* What every table must satisfy for the planner and the step to be right. */
Test(network, tables_are_consistent) {
    int networks = 0;
    for (; md_networks[networks] != NULL; networks++) {
        const struct md_network *n = md_networks[networks];
        cr_assert_eq(md_network_find(n->name), n);
        for (int l = 0; l < n->layer_count; l++) {
            const struct md_layer *layer = &n->layers[l];
            int ci = layer->input == MD_PICTURE ? 3 : n->layers[layer->input].co;
            cr_assert(layer->input < l && layer->skip < l, "%s %s", n->name, layer->name);
            if (layer->skip != MD_NO_SKIP) {
                int height, width, skip_height, skip_width;
                md_layer_size(n, layer->input, &height, &width);
                md_layer_size(n, layer->skip, &skip_height, &skip_width);
                cr_assert(height == skip_height && width == skip_width, "%s %s", n->name,
                          layer->name);
                ci += n->layers[layer->skip].co;
            }
            cr_assert_eq(layer->ci, ci, "%s %s", n->name, layer->name);
        }
        cr_assert_str_eq(n->layers[n->output].name, "output", "%s", n->name);
    }
    cr_assert_eq(networks, 5);
    cr_assert_null(md_network_find("upydne"));
    cr_assert_null(md_network_find("upydnet_"));
    cr_assert_null(md_network_find(""));
}

/* The variants are the same layers with other channels, and the second one with a pooled output. */
Test(network, variants) {
    const struct md_network *large = md_network_find("upydnet_large");
    const struct md_network *small_output = md_network_find("upydnet_8x8");
    static const int widths[][2] = {{8, 32}, {16, 64}};
    for (size_t l = 0; l < LENGTH(rows) - 2; l++) {
        int stage = l < 2 ? 0 : l < 4 ? 1 : 2;
        cr_assert_eq(large->layers[l].co, stage < 2 ? widths[stage][1] : 96, "%s", rows[l].name);
        cr_assert_eq(small_output->layers[l].co, rows[l].co, "%s", rows[l].name);
        cr_assert_str_eq(large->layers[l].name, rows[l].name);
        cr_assert_str_eq(small_output->layers[l].name, rows[l].name);
    }
    int height, width, last = small_output->layer_count - 1;
    md_layer_size(small_output, last, &height, &width);
    cr_assert(small_output->height == 320 && small_output->width == 320);
    cr_assert(height == 8 && width == 8, "the output is %dx%d", height, width);
    cr_assert_eq(small_output->layers[last].kind, MD_AVERAGE_POOL);
    cr_assert_eq(small_output->layers[last].stride, 40);
    cr_assert_eq(md_parameter_total(small_output), 107625);
    md_layer_size(large, large->layer_count - 1, &height, &width);
    cr_assert(height == 48 && width == 48);
}

/* Those that are trained with pooled labels are the others, with a layer more for the loss. */
Test(network, pooled_variants) {
    for (int n = 0; n < 2; n++) {
        const struct md_network *plain = md_networks[n];
        char name[64];
        int height, width, last = plain->layer_count;
        snprintf(name, sizeof name, "%s_pooled", plain->name);
        const struct md_network *pooled = md_network_find(name);
        cr_assert_not_null(pooled, "%s", name);
        cr_assert_eq(pooled->layer_count, last + 1);
        cr_assert_eq(pooled->output, plain->output);
        cr_assert(pooled->height == plain->height && pooled->width == plain->width);
        cr_assert_arr_eq(pooled->layers, plain->layers, (size_t)last * sizeof *plain->layers);
        cr_assert_eq(pooled->layers[last].kind, MD_MAX_POOL);
        cr_assert_eq(pooled->layers[last].input, last - 1);
        md_layer_size(pooled, last, &height, &width);
        cr_assert(height == 8 && width == 8, "the zones are %dx%d", height, width);
        md_layer_size(pooled, pooled->output, &height, &width);
        cr_assert(height == 48 && width == 48, "the output is %dx%d", height, width);
    }
}

/* The checkpoints' keys in their order, with shapes: conv (out, in, 3, 3), tconv (in, out, 2, 2).
 */
Test(network, parameters_are_those_of_the_checkpoints) {
    for (int n = 0; md_networks[n] != NULL; n++) {
        const struct md_network *network = md_networks[n];
        struct md_parameter parameter;
        size_t offset = 0;
        int index = 0;
        for (size_t l = 0; l < LENGTH(rows) - 1; l++)
            for (int bias = 0; bias < 2; bias++, index++) {
                const struct md_layer *layer = &network->layers[l];
                int transposed = rows[l].kind == MD_TCONV2X2, side = transposed ? 2 : 3;
                int shape[2][4] = {{layer->co, layer->ci, side, side}, {layer->co, 1, 1, 1}};
                char name[64];
                if (transposed)
                    memcpy(shape[0], (int[2]){layer->ci, layer->co}, sizeof(int[2]));
                snprintf(name, sizeof name, "%s%s.%s", rows[l].name, transposed ? ".tconv" : "",
                         bias ? "bias" : "weight");
                cr_assert_eq(md_parameter(network, index, &parameter), 0);
                cr_assert_str_eq(parameter.name, name);
                cr_assert_eq(parameter.layer, (int)l, "%s", name);
                cr_assert_eq(parameter.dimensions, bias ? 1 : 4, "%s", name);
                cr_assert_arr_eq(parameter.shape, shape[bias], sizeof shape[bias]);
                cr_assert_eq(parameter.offset, offset, "%s", name);
                size_t count = 1;
                for (int d = 0; d < 4; d++)
                    count *= (size_t)parameter.shape[d];
                cr_assert_eq(parameter.count, count, "%s", name);
                offset += count;
            }
        cr_assert_eq(offset, md_parameter_total(network));
        cr_assert_eq(index, 34);
        cr_assert_eq(md_parameter(network, index, &parameter), -1);
        cr_assert_eq(md_parameter(network, -1, &parameter), -1);
    }
}

/* Some keys spelt out, as they stand in the files. */
Test(network, parameter_names) {
    static const struct {
        int index;
        const char *name;
    } known[] = {{0, "encoder.conv0.weight"},   {1, "encoder.conv0.bias"},
                 {12, "decoder0.conv0.weight"}, {18, "ups0.tconv.weight"},
                 {27, "ups1.tconv.bias"},       {33, "decoder2.conv2.bias"}};
    struct md_parameter parameter;
    for (size_t i = 0; i < LENGTH(known); i++) {
        cr_assert_eq(md_parameter(md_networks[0], known[i].index, &parameter), 0);
        cr_assert_str_eq(parameter.name, known[i].name);
    }
}

/* ---- policies -------------------------------------------------------------------------------- */

Test(network, policies_are_read_as_they_are_written) {
    static const char *const spelt[] = {"none",  "e",       "d0",       "e+d0", "d1",    "e+d1",
                                        "d0+d1", "e+d0+d1", "d2",       "e+d2", "d0+d2", "e+d0+d2",
                                        "d1+d2", "e+d1+d2", "d0+d1+d2", "full"};
    const struct md_network *network = md_networks[0];
    cr_assert_eq(LENGTH(spelt), md_policy_full(network) + 1);
    for (md_policy policy = 0; policy <= md_policy_full(network); policy++) {
        char text[MD_POLICY_TEXT];
        md_policy found = ~policy;
        memset(text, 'x', sizeof text);
        md_policy_format(network, policy, text);
        cr_assert_str_eq(text, spelt[policy]);
        cr_assert_eq(md_policy_parse(network, text, &found), 0, "%s", text);
        cr_assert_eq(found, policy, "%s", text);
    }
}

Test(network, policies_in_other_spellings) {
    static const struct {
        const char *text;
        md_policy policy;
    } known[] = {{"encoder", 1},
                 {"encoder+d2", 1 | 8},
                 {"d1+e", 1 | 4},
                 {"d2+d1+d0+e", 15},
                 {"last", MD_POLICY_LAST},
                 {"biases+d0", 2 | MD_POLICY_BIASES},
                 {"biases+last+e", 1 | MD_POLICY_LAST | MD_POLICY_BIASES},
                 {"last+d2", 8}, /* it is one of d2's */
                 {"biases+d0+d1+d2+e", 15}};
    for (size_t i = 0; i < LENGTH(known); i++) {
        md_policy found = 99;
        cr_assert_eq(md_policy_parse(md_networks[0], known[i].text, &found), 0, "%s",
                     known[i].text);
        cr_assert_eq(found, known[i].policy, "%s", known[i].text);
    }
}

Test(network, a_policy_says_which_parameters_of_a_layer_learn) {
    static const struct {
        const char *text;
        size_t learning; /* of 107,625: 433 are biases, the last layer has 289 */
    } known[] = {{"full", 107625}, {"d0", 31872}, {"biases", 433},
                 {"last", 289},    {"none", 0},   {"biases+last", 433 + 288}};
    const struct md_network *network = md_networks[3]; /* with layers behind the last one */
    for (size_t i = 0; i < LENGTH(known); i++) {
        char text[MD_POLICY_TEXT];
        md_policy policy;
        size_t learning = 0;
        cr_assert_eq(md_policy_parse(network, known[i].text, &policy), 0);
        for (int l = 0; l < network->layer_count; l++)
            learning +=
                md_learning_parameters(&network->layers[l], md_layer_learns(network, policy, l));
        cr_assert_eq(learning, known[i].learning, "%s", known[i].text);
        md_policy_format(network, policy, text);
        cr_assert_str_eq(text, i < 5 ? known[i].text : "last+biases");
    }
}

Test(network, other_texts_are_no_policies) {
    static const char *const bad[] = {
        "",         "+",      "d0+",    "+d0",     "d0++d1", "d0 d1", " d0",       "d0 ",
        "d3",       "d",      "D0",     "d00",     "ee",     "d0+d0", "e+encoder", "encode",
        "encoders", "full+e", "e+full", "d0+none", "none+",  "Full",  "all",       "0"};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        md_policy policy = 99;
        cr_assert_eq(md_policy_parse(md_networks[0], bad[i], &policy), -1, "\"%s\"", bad[i]);
        cr_assert_eq(policy, 99, "\"%s\"", bad[i]);
    }
}

/* ---- whether a network can be run ------------------------------------------------------------ */

Test(network, those_built_in_can_be_run) {
    int layer;
    for (int n = 0; md_networks[n] != NULL; n++)
        cr_assert_null(md_network_check(md_networks[n], &layer), "%s", md_networks[n]->name);
}

/* Every field of a layer in turn is something that cannot be. */
Test(network, broken_ones_cannot_be_run) {
    static const int32_t values[] = {-1000, -3, 9, 25, 4097, 1 << 30};
    const size_t first = offsetof(struct md_layer, kind);
    int layer, refused = 0;
    for (int l = 0; l < 18; l++)
        for (size_t field = 0; field < (sizeof(struct md_layer) - first) / sizeof(int32_t); field++)
            for (size_t v = 0; v < LENGTH(values); v++) {
                struct md_network network = *md_networks[0];
                int32_t *at = &network.layers[l].kind + field;
                if (*at == values[v] || (values[v] == 9 && l > 9)) /* layer 9 is a layer */
                    continue;
                *at = values[v];
                refused += md_network_check(&network, &layer) != NULL && layer >= l;
                cr_assert_not_null(md_network_check(&network, &layer), "layer %d, field %zu: %d", l,
                                   field, (int)values[v]);
            }
    cr_assert_gt(refused, 500);
    struct md_network unnamed = *md_networks[0];
    memset(unnamed.layers[3].name, 'x', sizeof unnamed.layers[3].name);
    cr_assert_not_null(md_network_check(&unnamed, &layer));
    cr_assert_eq(layer, 3);
}

/* Which rows of a layer's input an output row reads, and the other way round, agree. */
Test(network, rows_read_and_rows_reading_agree) {
    for (int n = 0; md_networks[n] != NULL; n++)
        for (int l = 0; l < md_networks[n]->layer_count; l++) {
            int in, out, width;
            md_layer_size(md_networks[n], md_networks[n]->layers[l].input, &in, &width);
            md_layer_size(md_networks[n], l, &out, &width);
            for (int o = 0; o < out; o++) {
                struct md_rows read = md_rows_read(md_networks[n], l, (struct md_rows){o, o + 1});
                cr_assert(read.from >= 0 && read.from < read.to && read.to <= in);
                for (int i = 0; i < in; i++) {
                    struct md_rows by =
                        md_rows_reading(md_networks[n], l, (struct md_rows){i, i + 1});
                    cr_assert_eq(i >= read.from && i < read.to, o >= by.from && o < by.to,
                                 "%s: input row %d, output row %d", md_networks[n]->layers[l].name,
                                 i, o);
                }
            }
        }
}
