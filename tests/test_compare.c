/* `mudepth compare` at the command line: the host against itself, against the microcontrollers'
 * programs, and against programs that fail. */
#include <criterion/criterion.h>
#include <math.h>

#include "../core/job.h"
#include "program.h"

static void set_up(void) {
    scratch = scratch_open();
    written("small.yaml", "weights: scratch\npolicy: d0\nlr: 0.003\nbatch: 2\nepochs: 2\n"
                          "data: {set: synthetic, count: 3}\n");
}

TestSuite(compare, .init = set_up, .fini = scratch_tear_down, .timeout = 900);

/* Runs `mudepth compare` in the scratch folder with these words, between spaces. */
__attribute__((format(printf, 1, 2))) static void compare(const char *format, ...) {
    char text[2000];
    const char *words[40] = {"mudepth", "compare"};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int count = 2;
    for (char *word = strtok(text, " "); word != NULL && count < 39; word = strtok(NULL, " "))
        words[count++] = word;
    call(words, (struct manner){.folder = scratch.folder});
}

/* The latest comparison ended with this exit code and this text in its output. */
static void assert_says(int wish, const char *text) {
    assert_code(wish);
    assert_contains(out, text);
    cr_assert_str_empty(err);
}

static struct scratch_path in_scratch(const char *name) {
    return scratch_path(&scratch, "%s", name);
}

/* ---- the host against itself ----------------------------------------------------------------- */

/* (The operators without intrinsics, which are slow, only where they are asked for by name: a step
 * of each level is in levels.sh.) */
Test(compare, host_is_bit_exact) {
    static const char *const sides[] = {
        "",
        "--a host:scalar --b host",
        "--a host:cores=2 --b host:cores=3",
        "--a host:cores=5 --b host:plain:cores=2",
        "--a host:bf16 --b host:bf16:cores=3 --steps 2",
        "--a host:fp16:cores=5 --b host:fp16 --steps 3",
        "--a host:fp64 --b host:cores=2:ref:fp64",
        "--a host:fp16w:cores=3 --b host:fp16w optimizer=sgd momentum=0.9",
        "--a host:bf16w --b host:scalar:bf16w batch=1 policy=full",
        "--digest --steps 2 --a host:cores=2 --b host",
        "--steps 0 --a host:fp16 --b host:fp16w",
        "--a host:bf16 --b host:bf16:cores=3 label_mode=pooled batch=1",
        "--a host:plain --b host:fast:cores=2 --steps 2",
        "--a host:bf16:lean --b host:bf16:plain policy=full",
        "--a host:lean:band=3:fp16 --b host:share+stream:fp16 batch=1 optimizer=sgd --steps 2",
        "--a host:lean+flash:cores=3 --b host:flash --digest --steps 2",
        "plan=share+stream band=2 --a host --b host:plain",
    };
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        compare("small.yaml %s", sides[i]);
        assert_says(0, "bit-exact: ");
    }
}

/* Of 18 layers 12 have an error, and 4 of these learn; a final record of all weights. */
Test(compare, tensors_that_are_wanted) {
    static const struct {
        const char *tensors;
        int count;
    } cases[] = {{"--tensors activation", 2 * 18 + 1},
                 {"--tensors error", 2 * 12 + 1},
                 {"--tensors gradient", 2 * 4 + 1},
                 {"--tensors weight", 4 + 1},
                 {"--tensors loss", 1 + 1},
                 {"--tensors state", 2 * 4 + 1},
                 {"--tensors state weight_storage=kahan format=bf16 optimizer=sgd", 4 + 1},
                 {"--tensors loss,weight", 1 + 4 + 1},
                 {"", 2 * (18 + 12 + 4) + 3 * 4 + 1 + 1},
                 {"--steps 2 --tensors loss,activation", 3 * 18 + 2 + 1}, /* 3 samples in all */
                 {"label_mode=pooled", 2 * (19 + 13 + 4) + 3 * 4 + 1 + 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[100];
        compare("small.yaml --b host:cores=3 %s", cases[i].tensors);
        snprintf(text, sizeof text, "bit-exact: %d tensors, ", cases[i].count);
        assert_says(0, text);
    }
}

Test(compare, json_of_equal_machines) {
    compare("small.yaml --json --a host:cores=3 --b host --steps 2");
    json_t *json = output_json();
    cr_assert_str_eq(json_string_value(json_at(json, "a")), "host:cores=3");
    assert_json(json, "bit_exact", JSON_TRUE);
    assert_json(json, "first_difference", JSON_NULL);
    cr_assert_eq(json_integer_value(json_at(json, "steps")), 2);
    cr_assert_eq(json_integer_value(json_at(json, "differing_values")), 0);
    cr_assert_eq(json_array_size(json_at(json, "relative_error_by_step")), 2);
    json_decref(json);
}

/* Told of runs that were equal, so that they can be compared with others, on other days. */
Test(compare, digest_of_the_final_weights) {
    static const char *const runs[] = {
        "--steps 2 --b host:lean", "--steps 2 --a host:plain --b host --digest",
        "--steps 2 --b host:lean lr=0.1", "--steps 0", "--steps 0 lr=0.1"};
    char digests[sizeof runs / sizeof runs[0]][17];
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        compare("small.yaml %s", runs[i]);
        assert_says(0, "\nfinal weights: digest ");
        const char *told = strstr(out, "digest ");
        cr_assert_eq(sscanf(told, "digest %16[0-9a-f]\n", digests[i]), 1, "%s", told);
        cr_assert_eq(strlen(digests[i]), 16);
    }
    cr_assert_str_eq(digests[0], digests[1]);
    cr_assert_str_neq(digests[0], digests[2]);
    cr_assert_str_eq(digests[3], digests[4]);
    cr_assert_str_neq(digests[3], "0000000000000000");
    compare("small.yaml --steps 2 --a host --b host:bf16 --json");
    json_t *json = output_json(), *both = json_at(json, "final_weights_digest");
    cr_assert_str_eq(json_string_value(json_array_get(both, 0)), digests[0]);
    cr_assert_str_neq(json_string_value(json_array_get(both, 1)), digests[0]);
    json_decref(json);
}

/* Adam's second moment underflows in fp16: from the first update on hardly anything is a number. */
Test(compare, says_how_many_values_are_no_numbers) {
#define BROKEN "small.yaml policy=full batch=1 epsilon=1e-8 --steps 2 --tensors loss --a host:fp16 "
    compare(BROKEN "--b host:cores=3:fp16");
    assert_says(0, "bit-exact: ");
    assert_contains(out, "\nNaN or infinite: 104673 of 107631 values of host:fp16\n"
                         "NaN or infinite: 104673 of 107631 values of host:cores=3:fp16\n");
    compare(BROKEN "--b host --json");
    json_t *json = output_json(), *sides = json_at(json, "not_finite");
    cr_assert_eq(json_integer_value(json_array_get(sides, 0)), 104673);
    cr_assert_eq(json_integer_value(json_array_get(sides, 1)), 0);
    json_decref(json);
    compare(BROKEN "--b host");
    assert_says(0, "\nNaN or infinite: 104673 of 107631 values of host:fp16\n");
    cr_assert_null(strstr(out, " values of host\n"));
    compare(BROKEN "--b host:cores=3:fp16 --digest");
    assert_says(0, "NaN or infinite: unknown of host:fp16, which gave digests only\n");
    compare(BROKEN "--b host:cores=3:fp16 --digest --json");
    json = output_json();
    assert_json(json, "bit_exact", JSON_TRUE);
    cr_assert(json_is_null(json_array_get(json_at(json, "not_finite"), 1)));
    json_decref(json);
    compare("small.yaml --a host:cores=3 --b host --tensors loss");
    assert_says(0, "bit-exact: ");
    cr_assert_null(strstr(out, "NaN"));
#undef BROKEN
}

/* ---- differences ----------------------------------------------------------------------------- */

/* OpenBLAS has orders of summation of its own. */
Test(compare, first_difference_is_told) {
    char tensor[60], hex[2][9];
    unsigned step, sample, index, count;
    double values[2], ulps;
    compare("small.yaml --a host:blas --b host");
    assert_says(1, "different: ");
    const char *first = strstr(out, "\nfirst: ");
    cr_assert(first);
    cr_assert_eq(sscanf(first,
                        " first: step %u, %59[^,], sample %u, value %u of %u: %8[0-9a-f] (%lf) "
                        "against %8[0-9a-f] (%lf), %lf ulp",
                        &step, tensor, &sample, &index, &count, hex[0], &values[0], hex[1],
                        &values[1], &ulps),
                 10, "%s", first);
    cr_assert_eq(step, 0);
    cr_assert(strstr(tensor, " of encoder.conv") || strstr(tensor, " of decoder"), "%s", tensor);
    cr_assert_lt(index, count);
    for (int s = 0; s < 2; s++)
        cr_assert_float_eq((double)md_float_of((uint32_t)strtoul(hex[s], NULL, 16)), values[s],
                           1e-8 * fabs(values[s]));
    cr_assert_neq(strcmp(hex[0], hex[1]), 0);
    cr_assert_geq(ulps, 0.5);
    assert_contains(out, "relative error, RMS and largest");
    compare("small.yaml --a host:blas --b host --digest");
    assert_says(1, "first: step 0, ");
    assert_contains(out, ": digest ");
    cr_assert_null(strstr(out, "relative error"));
}

Test(compare, two_formats_are_measured) {
    compare("small.yaml --a host:bf16 --b host --steps 2");
    assert_says(0, "different: ");
    static const char *const parts[] = {
        "step 0 ", "step 1 ",         "encoder.conv0 ",         "decoder2.conv2 ",
        "output ", "weight gradient", "units in the last place"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_contains(out, parts[i]);
    compare("small.yaml --a host:bf16 --b host --steps 2 --json");
    json_t *json = output_json(), *steps = json_at(json, "relative_error_by_step"), *step;
    size_t s;
    assert_json(json, "bit_exact", JSON_FALSE);
    assert_json(json, "first_difference", JSON_STRING);
    cr_assert_eq(json_array_size(steps), 2);
    json_array_foreach(steps, s, step) {
        double rms = json_number_value(json_at(step, "activation.rms"));
        double largest = json_number_value(json_at(step, "activation.largest"));
        cr_assert(rms > 1e-4 && rms < 0.1 && largest > 0, "%g %g", rms, largest);
    }
    json_int_t values = 0, of_tensors = 0;
    json_array_foreach(json_at(json, "ulp_classes"), s, step) values += json_integer_value(step);
    of_tensors = json_integer_value(json_at(json, "values"));
    /* The final weights and the losses are not measured. */
    cr_assert_eq(values, of_tensors - 107625 - 2 * 3);
    json_decref(json);
}

Test(compare, figure_is_drawn) {
    size_t size;
    need_tool("gnuplot");
    compare("small.yaml --a host:bf16 --b host --steps 2 --figure growth.png");
    assert_says(0, "relative error");
    unsigned char *bytes = scratch_read(in_scratch("growth.png").text, &size);
    cr_assert_gt(size, 5000);
    cr_assert_arr_eq(bytes, "\x89PNG\r\n\x1a\n", 8);
    free(bytes);
}

/* ---- saved traces ---------------------------------------------------------------------------- */

/* Changes the lowest bit of value `index` of the final weights, and mends their digest. */
enum { WEIGHTS = 107625 };
static void change_weight(const char *name, enum md_format format, size_t index) {
    struct scratch_path path = in_scratch(name);
    size_t size, bytes = md_format_bytes[format];
    unsigned char *trace = scratch_read(path.text, &size);
    unsigned char *values = trace + size - sizeof(struct md_record) - WEIGHTS * bytes;
    values[index * bytes] ^= 1;
    uint64_t digest = md_digest(format, values, 0, WEIGHTS);
    memcpy(values - sizeof digest, &digest, sizeof digest);
    scratch_write(path.text, trace, size);
    free(trace);
}

Test(compare, saved_trace_stands_for_its_machine) {
    compare("small.yaml --a host:plain:cores=2 --save-trace a.trace --steps 2");
    assert_says(0, "");
    cr_assert_str_empty(out);
    compare("small.yaml --a trace:a.trace --b host:lean --steps 2");
    assert_says(0, "bit-exact: ");
    compare("small.yaml --a trace:a.trace --b host plan=lean --steps 2");
    assert_says(0, "bit-exact: ");
    compare("small.yaml --a trace:a.trace --b trace:a.trace --steps 2");
    assert_says(0, "bit-exact: ");
    compare("small.yaml --a host:bf16 --b trace:a.trace --steps 2");
    assert_says(0, "relative error");
    compare("small.yaml --a host --b trace:a.trace --steps 2 --digest");
    assert_says(0, "bit-exact: ");
    change_weight("a.trace", MD_FP32, 1234);
    compare("small.yaml --a trace:a.trace --b host --steps 2");
    assert_says(1, "different: 1 of ");
    assert_contains(out, " tensors, 1 of ");
    assert_contains(out, "first: step 2, final weights, value 1234 of 107625: ");
    assert_contains(out, ", 1 ulp\n");
}

/* Whether formats are the same is the traces' to say, not the config's. */
Test(compare, saved_trace_brings_its_format) {
    compare("small.yaml --a host:fp16 --save-trace a.trace");
    change_weight("a.trace", MD_FP16, 0);
    compare("small.yaml --a host:fp16 --b trace:a.trace");
    assert_says(1, "value 0 of 107625");
    compare("small.yaml --a host --b trace:a.trace");
    assert_says(0, "relative error");
}

Test(compare, traces_without_values_are_compared_by_digest) {
    compare("small.yaml --digest --save-trace a.trace");
    compare("small.yaml --b trace:a.trace");
    assert_says(0, "bit-exact: ");
    compare("small.yaml --a host:bf16 --b trace:a.trace");
    assert_fails(1, "trace:a.trace: without values, the trace cannot be compared with another");
    compare("small.yaml --b trace:a.trace --figure x.png");
    assert_fails(1, "trace:a.trace: without values, the trace cannot be drawn");
    compare("small.yaml --a host:bf16 --b trace:a.trace --digest");
    assert_fails(1, "cannot be compared with another format's");
    compare("small.yaml --digest --a host:bf16 --save-trace b.trace"); /* --b does not matter */
    assert_says(0, "");
}

/* A trace of `small.yaml`, of which each case keeps or changes something. */
Test(compare, broken_and_foreign_traces_are_errors) {
    static const struct {
        const char *name;
        size_t keep;     /* bytes; 0: all */
        size_t at;       /* of a byte to change; 0: none */
        const char *run; /* behind the config */
        const char *part;
    } cases[] = {
        {"empty", 1, 0, "", "has no head"},
        {"cut in its head", sizeof(struct md_job) - 1, 0, "", "has no head"},
        {"cut behind it", sizeof(struct md_job), 0, "", "ends in record 1"},
        {"cut", 100000, 0, "", "ends in record"},
        {"no trace", 0, 3, "", "expected a trace"},
        {"broken value", 0, sizeof(struct md_job) + sizeof(struct md_record) + 20, "",
         "record 1 do not have its digest"},
        {"another layer", 0, sizeof(struct md_job) + offsetof(struct md_record, layer), "",
         "record 2 has rows 0 to 47 of step 0, activation of encoder.conv1, sample 0; expected "
         "row 48"},
        {"broken record", 0, sizeof(struct md_job) + offsetof(struct md_record, count), "",
         "record 1 is broken"},
        {"more groups than bits", 0, offsetof(struct md_job, network.group_count) + 1, "",
         "a value in the trace's head is out of range"},
        {"other learning rate", 0, 0, "lr=0.1", "the trace of another job"},
        {"other seed", 0, 0, "seed=9", "the trace of another job"},
        {"other policy", 0, 0, "policy=full", "the trace of another job"},
        {"other steps", 0, 0, "--steps 2", "the trace of another job"},
        {"other tensors", 0, 0, "--tensors loss", "the trace of another job"},
    };
    size_t size;
    compare("small.yaml --save-trace whole.trace");
    unsigned char *whole = scratch_read(in_scratch("whole.trace").text, &size);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whole[cases[i].at] ^= cases[i].at != 0;
        scratch_write(in_scratch("a.trace").text, whole, cases[i].keep ? cases[i].keep : size);
        whole[cases[i].at] ^= cases[i].at != 0;
        for (int side = 0; side < 2; side++) {
            compare("small.yaml --%c trace:a.trace --%c host %s", "ab"[side], "ba"[side],
                    cases[i].run);
            assert_fails(1, cases[i].part);
            cr_assert_eq(strchr(err, '\n')[1], '\0', "more than one line: %s", err);
        }
    }
    free(whole);
    compare("small.yaml --a trace:none.trace --b host");
    assert_fails(1, "none.trace: cannot open: No such file");
    compare("small.yaml --b trace:.");
    assert_fails(1, ".: cannot open: not a regular file");
}

Test(compare, saving_fails_without_a_trace_left) {
    static const char *const options[] = {"--save-trace", "--save-job"};
    for (int i = 0; i < 2; i++) {
        compare("small.yaml %s none/x", options[i]);
        assert_fails(1, "none: cannot write into this folder");
        call(WORDS("compare", "small.yaml", options[i], "x"),
             (struct manner){.folder = scratch.folder, .file_bytes = 100000});
        assert_code(1);
        cr_assert_neq(access(in_scratch("x").text, F_OK), 0);
        cr_assert_neq(access(in_scratch("x.new").text, F_OK), 0);
    }
}

/* ---- wrong usage ----------------------------------------------------------------------------- */

Test(compare, usage_errors_are_2_and_clear) {
    static const struct {
        const char *words, *part;
    } cases[] = {
        {"", "expected CONFIG.yaml, found nothing"},
        {"--a host", "expected CONFIG.yaml, found nothing"},
        {"small.yaml x", "expected key=value, found \"x\""},
        {"small.yaml no=1", "unknown key"},
        {"small.yaml --no", "--no"},
        {"small.yaml --a", "--a"},
        {"small.yaml --a nowhere", "--a: expected host, rv32, gap9-shim, gap9-large or aarch64"},
        {"small.yaml --b :", "--b: expected host, rv32, gap9-shim, gap9-large or aarch64"},
        {"small.yaml --a host:fp17", "--a: level \"fp17\" does not exist here for fp32"},
        {"small.yaml --a host:bf16:blas",
         "--a: level \"blas\" does not exist here for bf16; there is ref, scalar"},
        {"small.yaml --a host:much_too_long_a_level",
         "--a: expected a number format, cores=N, band=N, a"},
        {"small.yaml --a host:share+nothing", "--a: expected a number format, cores=N, band=N, a"},
        {"small.yaml --a host:ref+lean", "--a: expected a number format, cores=N, band=N, a plan"},
        {"small.yaml --a host:band=0", "--a: expected band=1 to band=4096, found \"band=0\""},
        {"small.yaml --b host:band=4097", "--b: expected band=1 to band=4096"},
        {"small.yaml --a host:cores=0", "expected cores=1 to cores=64, found \"cores=0\""},
        {"small.yaml --a host:band=2", "host:band=2: band=2 has an effect only with a plan that"},
        {"small.yaml --b host:cores=65", "--b: expected cores=1 to cores=64"},
        {"small.yaml --b host:cores=-1", "expected cores=1 to cores=64"},
        {"small.yaml --b host:cores=2x", "expected cores=1 to cores=64"},
        {"small.yaml --b host:cores=", "expected cores=1 to cores=64"},
        {"small.yaml --a rv32:fp64", "--a: fp64 is for the host only"},
        {"small.yaml format=fp64 --b gap9-shim", "--b: fp64 is for the host only"},
        {"small.yaml --steps -1", "--steps: expected a whole number"},
        {"small.yaml --steps 1.5", "--steps: expected a whole number"},
        {"small.yaml --tensors weights", "--tensors: expected activation, error, gradient, loss"},
        {"small.yaml --tensors loss,,weight", "--tensors: "},
        {"small.yaml --a host --b host --save-job y", "--save-job: not with --b"},
        {"small.yaml --save-trace y --json", "--save-trace: not with --json"},
        {"small.yaml --digest --figure x.png", "--digest: not with --figure"},
        {"small.yaml --steps 0 --figure x.png", "--figure needs steps"},
        {"small.yaml --steps 0 --tensors weight", "--tensors needs steps"},
        {"small.yaml --digest --b host:bf16", "have different formats"},
        {"small.yaml --a trace:x --save-job y", "--a: a saved trace is there already"},
        {"small.yaml --a trace:x --save-trace y", "--a: a saved trace is there already"},
        {"small.yaml batch=257", "batch: expected 1 to 256, found 257"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        compare("%s", cases[i].words);
        assert_fails(2, cases[i].part);
        cr_assert_eq(strchr(err, '\n')[1], '\0', "more than one line: %s", err);
    }
    compare("none.yaml");
    assert_fails(1, "none.yaml: No such file");
}

/* ---- machines that fail ---------------------------------------------------------------------- */

/* The program looks for a machine's beside itself: from here on that is the scratch folder. */
static void copy_program(void) {
    size_t size;
    struct scratch_path copy = in_scratch("mudepth");
    unsigned char *bytes = scratch_read(program(), &size);
    scratch_write(copy.text, bytes, size);
    cr_assert_eq(chmod(copy.text, 0755), 0);
    setenv("MUDEPTH_PROGRAM", copy.text, 1);
    free(bytes);
}

static void put_machine(const char *name, const char *script) {
    char text[300];
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", script);
    cr_assert_eq(chmod(written(name, text).text, 0755), 0);
}

Test(compare, missing_machines_are_named) {
    copy_program();
    compare("small.yaml --a rv32 --b host");
    assert_fails(1, "mudepth-rv32: No such file or directory; it is built by: make rv32");
    compare("small.yaml --b gap9-large");
    assert_fails(1, "mudepth-gap9-large: No such file or directory; it is built by: make gap9");
    put_machine("mudepth-rv32", "exit 0");
    setenv("PATH", scratch.folder, 1);
    compare("small.yaml --a rv32 --b host");
    assert_fails(1, "rv32: cannot run qemu-riscv32; is it installed?");
}

Test(compare, machines_that_fail_are_errors) {
    static const struct {
        const char *script, *part;
    } cases[] = {
        {"exit 1", "gap9-large: the job ends too early"},
        {"exit 2", "gap9-large: not a job, or a value in it is out of range"},
        {"exit 3", "gap9-large: no operators of this number format and level here"},
        {"exit 4", "gap9-large: not so many cores here"},
        {"exit 5", "gap9-large: the arena is too small"},
        {"exit 6", "gap9-large: there is no such plan"},
        {"exit 7", "gap9-large: the trace cannot be written"},
        {"exit 8", "gap9-large: failed"},
        {"exit 0", "gap9-large: the trace has no head"},
        {"kill -9 $$", "gap9-large was ended by signal 9"},
        {"cat", "expected a trace (MDT8), found 384a444d"},
        {"head -c 100000 /dev/zero", "expected a trace (MDT8), found 00000000"},
        {"cat /dev/zero", "expected a trace (MDT8), found 00000000"},
        {"head -c 5000 /dev/zero; exec sleep 1000", "expected a trace (MDT8)"},
        {"trap '' TERM; head -c 5000 /dev/zero; exec sleep 1000", "expected a trace (MDT8)"},
        {"head -c 5000 a.trace", "gap9-large: the trace ends in record 1,"},
        {"head -c 5000 a.trace; exit 5", "gap9-large: the arena is too small"},
        {"head -c 5000 a.trace; kill -6 $$", "gap9-large was ended by signal 6"},
        {"head -c 5000 a.trace; cat /dev/zero", "do not have its digest"},
        {"cat a.trace; exit 7", "gap9-large: the trace cannot be written"},
        {"cat a.trace; echo", "gap9-large: the trace goes on after record"},
        {"cat a.trace; exec >&-; exec sleep 1000",
         "gap9-large: its trace ended, the machine did not"},
    };
    compare("small.yaml policy=last --save-trace a.trace");
    copy_program();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_machine("mudepth-gap9-large", cases[i].script);
        compare("small.yaml policy=last --%c gap9-large --%c host", "ba"[i % 2], "ab"[i % 2]);
        assert_fails(1, cases[i].part);
        cr_assert_eq(strchr(err, '\n')[1], '\0', "more than one line: %s", err);
    }
    put_machine("mudepth-gap9-large", "cat a.trace");
    compare("small.yaml policy=last --a gap9-large --b host");
    assert_says(0, "bit-exact: ");
}

/* ---- the microcontrollers' programs ---------------------------------------------------------- */

/* Skips, and says so, when the machine cannot be run. */
static void need_machine(const char *file, const char *emulator) {
    char path[8400];
    const char *slash = strrchr(program(), '/');
    snprintf(path, sizeof path, "%.*s/%s", (int)(slash - program()), program(), file);
    if (access(path, X_OK) != 0) {
        fprintf(stderr, "SKIP: %s not there\n", file);
        cr_skip("%s not there", file);
    }
    if (emulator != NULL)
        need_tool(emulator);
}

/* Of full size, where one emulated step takes seconds: test_devices.c has all formats and levels,
 * every way to update, and larger batches; test_readme.c has rv32 in fp16. */
static void assert_device_is_bit_exact(const char *device, const char *side, const char *words) {
    int format = (int)strcspn(side, ":");
    compare("small.yaml %s --a %s:%s --b host:%.*s", words, device, side, format, side);
    cr_assert(code == 0 && strstr(out, "bit-exact: "), "%s:%s\n%s%s", device, side, out, err);
}
#define BF16_LEAN "bf16:scalar:cores=8:lean", "batch=1 policy=full optimizer=sgd label_mode=pooled"

Test(compare, rv32_is_bit_exact) {
#if defined(__SANITIZE_ADDRESS__)
    fprintf(stderr,
            "SKIP: RISC-V bit for bit: its program has no sanitizers, make check runs it\n");
    cr_skip("its program has no sanitizers, make check runs it");
#endif
    need_machine("mudepth-rv32", "qemu-riscv32");
    assert_device_is_bit_exact("rv32", BF16_LEAN);
}

Test(compare, gap9_is_bit_exact) {
    need_machine("mudepth-gap9-large", NULL);
    assert_device_is_bit_exact("gap9-large", BF16_LEAN);
    assert_device_is_bit_exact("gap9-large", "fp16:v2f16:cores=2",
                               "batch=1 weight_storage=stochastic");
}

static void assert_device_says_why(const char *device) {
    static const struct {
        const char *side, *config, *part;
    } cases[] = {{"avx2", "", "no operators of this number format and level here"},
                 {"bf16:v2f16", "", "no operators of this number format and level here"},
                 {"cores=9", "", "not so many cores here"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[100];
        compare("small.yaml --a %s:%s --b host %s", device, cases[i].side, cases[i].config);
        snprintf(text, sizeof text, "%s:%s: %s", device, cases[i].side, cases[i].part);
        assert_fails(1, text);
    }
}

Test(compare, rv32_says_what_it_lacks) {
    need_machine("mudepth-rv32", "qemu-riscv32");
    assert_device_says_why("rv32");
}

Test(compare, gap9_says_what_it_lacks) {
    need_machine("mudepth-gap9-large", NULL);
    assert_device_says_why("gap9-large");
}

/* The chip's memory holds no whole maps: told before a step is begun, with the number of bytes. */
Test(compare, jobs_that_do_not_fit_the_chip_are_refused) {
    static const char *const ways[] = {"--a gap9-shim:plain", "--b gap9-shim:plain:ref:cores=8",
                                       "--a gap9-shim:plain --save-job x",
                                       "--a gap9-shim:plain --save-trace x"};
    need_machine("mudepth-gap9-shim", NULL);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        compare("small.yaml batch=1 %s", ways[i]);
        assert_fails(1, " bytes (mudepth plan lists them), this machine has 1228800");
        cr_assert_neq(access(in_scratch("x").text, F_OK), 0);
        cr_assert_neq(access(in_scratch("x.new").text, F_OK), 0);
    }
    compare("small.yaml batch=1 format=bf16 --a gap9-shim:lean:cores=8 --b host:plain");
    assert_says(0, "bit-exact: ");
}

/* What owners of a device do: the job there, its trace back. */
Test(compare, saved_job_is_what_a_machine_is_given) {
    need_machine("mudepth-gap9-large", NULL);
    char command[9000];
    const char *slash = strrchr(program(), '/');
    compare("small.yaml batch=1 --a gap9-large:fp16:cores=8 --save-job job.bin");
    assert_says(0, "");
    snprintf(command, sizeof command, "cd '%s' && '%.*s/mudepth-gap9-large' <job.bin >trace.bin",
             scratch.folder, (int)(slash - program()), program());
    cr_assert_eq(system(command), 0);
    compare("small.yaml batch=1 --a host:fp16 --b trace:trace.bin");
    assert_says(0, "bit-exact: ");
}
