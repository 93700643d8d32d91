/* Weights for other programs: what they read is what was written, to the bit. */
#include <criterion/criterion.h>

#include "../base/image.h"
#include "../base/npy.h"
#include "../results/export.h"
#include "../results/weights.h"
#include "checkpoint.h"
#include "shell.h"

enum { TOTAL = 107625 };

static struct md_error error;
static const struct md_network *network;
static float weights[TOTAL], found[TOTAL];
static struct scratch_path h5;

/* All bits of a float32 are used, and the smallest and largest numbers are there. */
static void set_up(void) {
    scratch = scratch_open();
    network = md_networks[0];
    uint32_t bits = 1;
    for (size_t i = 0; i < TOTAL; i++) {
        bits = bits * 1664525u + 1013904223u;
        uint32_t number = (bits & 0x807fffffu) | (110 + bits % 16) << 23;
        memcpy(&weights[i], &number, sizeof number);
    }
    weights[0] = -0.0f;
    weights[1] = 1e-45f;
    weights[2] = -3.0e38f;
    const struct md_weights_info info = {.source = "x */ is no C; /* \\\xe2\x80\xae.pth"};
    h5 = scratch_path(&scratch, "w.h5");
    cr_assert_eq(md_weights_write(h5.text, network, weights, &info, &error), MD_OK);
}

TestSuite(export, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

static struct scratch_path exported(const char *name, const char *type) {
    struct scratch_path path = scratch_path(&scratch, "%s", name);
    MUDEPTH("weights", "export", h5.text, "-o", path.text, "--type", type);
    assert_fine(type);
    return path;
}

/* What bfloat16 makes of the weights, by the definition: of the two neighbours the nearer one. */
static void round_weights(void) {
    for (size_t i = 0; i < TOTAL; i++) {
        uint32_t bits;
        memcpy(&bits, &weights[i], sizeof bits);
        uint32_t below = bits & 0xffff0000u, half = bits & 0xffffu;
        if (half > 0x8000u || (half == 0x8000u && (bits >> 16 & 1u)))
            below += 0x10000u;
        memcpy(&weights[i], &below, sizeof below);
    }
}

#define assert_same() cr_assert_eq(memcmp(found, weights, sizeof found), 0)

Test(export, pth_reads_bit_equal) {
    struct md_weights_info info;
    struct scratch_path path = exported("w.pth", "float32");
    assert_contains(out, "107625 parameters as float32, 0 rounded");
    cr_assert_eq(md_weights_read(path.text, network, found, &info, &error), MD_OK, "%s",
                 error.text);
    assert_same();
    cr_assert_str_eq(info.stored_as, "float32");
    path = exported("half.pth", "bfloat16");
    cr_assert_null(strstr(out, ", 0 rounded"), "%s", out);
    cr_assert_eq(md_weights_read(path.text, network, found, &info, &error), MD_OK, "%s",
                 error.text);
    round_weights();
    assert_same();
    cr_assert_str_eq(info.stored_as, "bfloat16");
}

/* A network of another form, whose names and shapes differ. */
Test(export, every_network_is_read_again) {
    for (int n = 0; md_networks[n] != NULL; n++) {
        struct scratch_path path = scratch_path(&scratch, "n%d.pth", n);
        const size_t count = md_parameter_total(md_networks[n]);
        float *values = calloc(2 * count, sizeof *values);
        cr_assert(values);
        for (size_t i = 0; i < count; i++)
            values[i] = checkpoint_value(i);
        const struct md_weights_info info = {.source = ""};
        cr_assert_eq(
            md_weights_export(path.text, md_networks[n], values, &info, MD_EXPORT_BFLOAT16, &error),
            MD_OK, "%s", error.text);
        cr_assert_eq(md_weights_read(path.text, md_networks[n], values + count, NULL, &error),
                     MD_OK, "%s", error.text);
        cr_assert_eq(memcmp(values, values + count, count * sizeof *values), 0);
        free(values);
    }
}

Test(export, npz_is_an_archive_of_npy) {
    struct scratch_path path = exported("w.npz", "float32");
    zip_t *zip = zip_open(path.text, ZIP_RDONLY | ZIP_CHECKCONS, NULL);
    cr_assert(zip);
    struct md_parameter p;
    int i = 0;
    for (; md_parameter(network, i, &p) == 0; i++) {
        static unsigned char bytes[4 * TOTAL];
        char name[60];
        struct md_array array;
        struct scratch_path npy = scratch_path(&scratch, "entry.npy");
        snprintf(name, sizeof name, "%s.npy", p.name);
        zip_file_t *entry = zip_fopen(zip, name, 0);
        cr_assert(entry, "no %s", name);
        scratch_write(npy.text, bytes, (size_t)zip_fread(entry, bytes, sizeof bytes));
        zip_fclose(entry);
        cr_assert_eq(md_npy_read(npy.text, &array, &error), MD_OK, "%s", error.text);
        cr_assert_eq(array.dimensions, p.dimensions);
        for (int d = 0; d < p.dimensions; d++)
            cr_assert_eq(array.shape[d], (size_t)p.shape[d]);
        cr_assert_eq(memcmp(array.values, weights + p.offset, p.count * sizeof *weights), 0);
        md_array_free(&array);
    }
    cr_assert_eq(zip_get_num_entries(zip, 0), i);
    zip_discard(zip);
}

/* A firmware's compiler takes the header without a word, and the struct is the weights. */
Test(export, header_compiles_and_holds_the_weights) {
    static const struct {
        const char *type, *compiler;
    } ways[] = {{"float32", "gcc -std=c99 -O2"}, {"bfloat16", "gcc -std=c11"}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        size_t size;
        struct scratch_path header = exported(w == 0 ? "w.h" : "half.h", ways[w].type);
        written("firmware.c", "#include <stdio.h>\n#include WEIGHTS\n#include WEIGHTS\n"
                              "int main(void) { return fwrite(&upydnet_weights, sizeof "
                              "upydnet_weights, 1, stdout) != 1; }\n");
        cr_assert_eq(shell("cd '%s' && %s -Wall -Wextra -Wpedantic -Werror -DWEIGHTS='\"%s\"' "
                           "firmware.c -o firmware && ./firmware >values && echo fine",
                           scratch.folder, ways[w].compiler, header.text),
                     0, "%s", out);
        cr_assert_str_eq(out, "fine\n");
        unsigned char *values = scratch_read(scratch_path(&scratch, "values").text, &size);
        if (w == 1) {
            round_weights();
            for (size_t i = 0; i < TOTAL; i++) {
                uint32_t bits = (uint32_t)((uint16_t *)(void *)values)[i] << 16;
                memcpy(&found[i], &bits, sizeof bits);
            }
        } else
            memcpy(found, values, sizeof found);
        cr_assert_eq(size, sizeof found / (w == 0 ? 1 : 2));
        assert_same();
        free(values);
    }
}

static int has_python_onnx(void) {
    int is_there = shell(PYTHON " -c 'import onnx'") == 0;
    if (!is_there)
        fprintf(stderr, "SKIP: python3-onnx not there\n");
    return is_there;
}

/* The fields of a protobuf message, `depth` messages down: counts nodes and parameters of the graph
 * and gathers the values. */
static size_t nodes, parameters, gathered;

static uint64_t varint(const unsigned char **at) {
    uint64_t value = 0;
    int shift = 0;
    do
        value |= (uint64_t)(**at & 127) << shift;
    while (shift += 7, *(*at)++ & 128);
    return value;
}

static void walk(const unsigned char *at, const unsigned char *end, int depth) {
    while (at < end) {
        uint64_t tag = varint(&at), field = tag >> 3, size = (tag & 7) == 5 ? 4 : 0;
        if ((tag & 7) == 0)
            varint(&at);
        else if ((tag & 7) == 2)
            size = varint(&at);
        cr_assert_leq(size, (uint64_t)(end - at), "field %d leads out", (int)field);
        nodes += depth == 1 && field == 1;
        parameters += depth == 1 && field == 5;
        if ((depth == 0 && field == 7) || (depth == 1 && field == 5))
            walk(at, at + size, depth + 1);
        else if (depth == 2 && field == 9) {
            memcpy((char *)found + gathered, at, size);
            gathered += size;
        }
        at += size;
    }
    cr_assert_eq(at, end);
}

Test(export, an_onnx_model_has_the_network_and_the_values) {
    size_t size;
    struct scratch_path path = exported("w.onnx", "float32");
    unsigned char *bytes = scratch_read(path.text, &size);
    walk(bytes, bytes + size, 0);
    free(bytes);
    cr_assert_eq(nodes, 18 + 2 + 12, "layers, concats, LeakyReLUs");
    cr_assert_eq(parameters, 34);
    cr_assert_eq(gathered, sizeof found);
    assert_same();
}

/* By the checker of ONNX, which infers all shapes. */
Test(export, each_network_is_a_model) {
    const struct md_weights_info info = {.source = "a\"b"};
    if (!has_python_onnx())
        cr_skip("no onnx");
    for (int n = 0; md_networks[n] != NULL; n++) {
        float *values = calloc(md_parameter_total(md_networks[n]), sizeof *values);
        struct scratch_path path = scratch_path(&scratch, "%d.onnx", n);
        cr_assert_eq(
            md_weights_export(path.text, md_networks[n], values, &info, MD_EXPORT_FLOAT32, &error),
            MD_OK, "%s", error.text);
        free(values);
        cr_assert_eq(shell(PYTHON " -c 'import onnx, sys\n"
                                  "model = onnx.load(sys.argv[1])\n"
                                  "onnx.checker.check_model(model, full_check=True)\n"
                                  "print([d.dim_value for d in "
                                  "model.graph.output[0].type.tensor_type.shape.dim])' '%s'",
                           path.text),
                     0, "%s", out);
        assert_contains(out, md_networks[n]->height == 48 ? "[0, 1, 48, 48]" : "[0, 1, 8, 8]");
    }
}

Test(export, python_reads_the_same_values) {
    if (shell(PYTHON " -c 'import torch'") != 0) {
        fprintf(stderr, "SKIP: python3-torch not there\n");
        cr_skip("no torch");
    }
    struct scratch_path pth = exported("w.pth", "float32"), npz = exported("w.npz", "float32"),
                        half = exported("half.pth", "bfloat16");
    /* And what a network makes of a picture, with weights that were trained. */
    static uint8_t rgb[48 * 48 * 3];
    for (int i = 0; i < 48 * 48 * 3; i++)
        rgb[i] = (uint8_t)(i % 144 + i / 144 + i % 3 * 20);
    struct scratch_path picture = scratch_path(&scratch, "p.png"),
                        raw = scratch_path(&scratch, "p.rgb"),
                        trained = scratch_path(&scratch, "trained.pth");
    cr_assert_eq(md_png_write_rgb(picture.text, rgb, 48, 48, &error), MD_OK);
    scratch_write(raw.text, rgb, sizeof rgb);
    MUDEPTH("weights", "export", "configs/source_world.h5", "-o", trained.text);
    assert_code(0);
    MUDEPTH("predict", "--weights", trained.text, picture.text, "-o", scratch.folder, "--npy");
    assert_code(0);
    struct scratch_path onnx = scratch_path(&scratch, "trained.onnx");
    MUDEPTH("weights", "export", "configs/source_world.h5", "-o", onnx.text);
    assert_code(0);
    int has_onnx = has_python_onnx();
    cr_assert_eq(shell(PYTHON " tests/exported.py '%s' '%s' '%s' '%s' '%s' '%s/p.npy' %s", pth.text,
                       npz.text, half.text, trained.text, raw.text, scratch.folder,
                       has_onnx ? onnx.text : ""),
                 0, "%s", out);
    assert_contains(out, "34 tensors");
    assert_contains(out, "within ");
    if (has_onnx)
        assert_contains(out, "ONNX as well");
}

Test(export, equal_weights_make_equal_files) {
    static const char *const names[] = {"a.pth", "b.pth", "a.npz", "b.npz"};
    for (int i = 0; i < 4; i++)
        exported(names[i], "float32");
    cr_assert_eq(shell("cd '%s' && cmp a.pth b.pth && cmp a.npz b.npz", scratch.folder), 0, "%s",
                 out);
}

Test(export, refusals) {
    static const struct {
        const char *name, *type, *says;
        int code;
    } wrong[] = {
        {"w.pt", "float32", "w.pt: expected a name that ends in .pth, .npz, .h or .onnx", 2},
        {"pth", "float32", "expected a name that ends in", 2},
        {"w.npz", "bfloat16", "w.npz: expected a .pth or .h for bfloat16", 2},
        {"w.onnx", "bfloat16", "w.onnx: expected a .pth or .h for bfloat16", 2},
        {"w.pth", "float16", "float16", 2},
        {"w.h5", "float32", "is there already", 2},
        {"none/../../none/w.pth", "float32", "none: cannot write into this folder: No such file",
         1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[700];
        snprintf(path, sizeof path, "%s/%s", scratch.folder, wrong[i].name);
        MUDEPTH("weights", "export", h5.text, "-o", path, "--type", wrong[i].type);
        assert_fails(wrong[i].code, wrong[i].says);
    }
    weights[9] = 3.4e38f; /* the largest bfloat16 is 3.39e38 */
    struct scratch_path path = scratch_path(&scratch, "large.pth");
    const struct md_weights_info info = {.source = ""};
    cr_assert_eq(md_weights_export(path.text, network, weights, &info, MD_EXPORT_BFLOAT16, &error),
                 MD_FAILED);
    assert_contains(error.text, "'encoder.conv0.weight': element 9 is 3.4e+38");
    cr_assert_neq(access(path.text, F_OK), 0);
    static const char *const endings[] = {"pth", "npz", "onnx", "h"};
    for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
        path = scratch_path(&scratch, "large.%s", endings[e]);
        call(WORDS("weights", "export", h5.text, "-o", path.text),
             (struct manner){.file_bytes = 100000});
        assert_fails(1, "cannot write: File too large");
    }
    cr_assert_eq(scratch_count(scratch.folder), 3, "a part of a file is left");
}
