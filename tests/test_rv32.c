/* What the compiler made of core for the RISC-V program, by disassembly: convolutions of fused
 * instructions of the format, nothing computed in software, and no instruction that the emulator is
 * known to get wrong. (That the bits are right: test_compare.c.) */
#include <criterion/criterion.h>

#include "program.h"

TestSuite(rv32, .timeout = 600);

/* Its objects and the program lie beside the host's. Skips the test where there is none. */
static struct scratch_path built(const char *name) {
    struct scratch_path path;
    int folder = (int)(strrchr(program(), '/') - program());
    snprintf(path.text, sizeof path.text, "%.*s/%s", folder, program(), name);
    if (access(path.text, R_OK) != 0) {
        fprintf(stderr, "SKIP: %s not there\n", name);
        cr_skip("%s not there", name);
    }
    return path;
}

/* A tool's output, line by line: next_line returns 0 at its end. */
static FILE *open_tool(const char *options, const char *file) {
    char command[2000];
    need_tool("llvm-objdump-19");
    snprintf(command, sizeof command, "llvm-objdump-19 %s '%s'", options, built(file).text);
    FILE *tool = popen(command, "r");
    cr_assert(tool);
    return tool;
}

/* The next instruction, and the function it is in: "fmadd.h" of "conv_forward". */
static int next_instruction(FILE *tool, char function[64], char instruction[16]) {
    char line[300];
    while (fgets(line, sizeof line, tool) != NULL) {
        if (sscanf(line, "%*[0-9a-f] <%63[^>]>:", function) == 1)
            continue;
        if (sscanf(line, " %*[0-9a-f]: %*[0-9a-f] %15s", instruction) == 1)
            return 1;
    }
    cr_assert_eq(pclose(tool), 0);
    return 0;
}

static int begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

Test(rv32, convolutions_are_fused_instructions) {
    static const struct {
        const char *object, *fused, *other;
        int least; /* of the fused ones */
    } cases[] = {
        {"rv32/ops_fp32_ref.o", "fmadd.s", "fmadd.h", 5},
        {"rv32/ops_fp16_ref.o", "fmadd.h", "fmadd.s", 5},
        {"rv32/ops_fp16w_ref.o", "fmadd.s", "fmadd.h", 5},
        {"rv32/ops_bf16w_ref.o", "fmadd.s", "fmadd.h", 5},
        {"rv32/lanes_fp32_scalar.o", "fmadd.s", "fmadd.h", 9},
        {"rv32/lanes_fp16_scalar.o", "fmadd.h", "fmadd.s", 9},
        {"rv32/lanes_fp16_v2f16.o", "fmadd.h", "fmadd.s", 18},
        {"rv32/lanes_fp16w_scalar.o", "fmadd.s", "fmadd.h", 9},
        {"rv32/lanes_bf16w_scalar.o", "fmadd.s", "fmadd.h", 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char function[64] = "", instruction[16];
        FILE *tool = open_tool("-d", cases[i].object);
        int fused = 0;
        while (next_instruction(tool, function, instruction)) {
            if (strstr(function, "conv_") == NULL && !begins(function, "exact_"))
                continue;
            fused += strcmp(instruction, cases[i].fused) == 0;
            cr_assert_neq(strcmp(instruction, cases[i].other), 0, "%s in %s of %s", instruction,
                          function, cases[i].object);
            cr_assert_not(begins(instruction, "fmul"), "%s in %s of %s", instruction, function,
                          cases[i].object);
        }
        cr_assert_geq(fused, cases[i].least, "%s: %d %s in its convolutions", cases[i].object,
                      fused, cases[i].fused);
    }
}

/* QEMU 7.2 executes these without writing the result where floats live in integer registers. */
Test(rv32, signs_of_halves_are_no_instructions) {
    static const char *const wrong[] = {"fneg.h", "fabs.h", "fsgnjn.h", "fsgnjx.h"};
    char function[64] = "", instruction[16];
    FILE *tool = open_tool("-d", "mudepth-rv32");
    int count = 0;
    while (next_instruction(tool, function, instruction)) {
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
            cr_assert_neq(strcmp(instruction, wrong[i]), 0, "%s in %s", instruction, function);
        count++;
    }
    cr_assert_gt(count, 10000);
}

/* Arithmetic in software would be functions like __mulsf3, __extendhfsf2 or fmaf. */
Test(rv32, nothing_is_computed_in_software) {
    static const char *const known[] = {"md_",     "memcpy",         "memmove", "memset",
                                        "program", "switch_context", "_start"};
    char line[300], name[100];
    FILE *tool = open_tool("-t", "mudepth-rv32");
    int count = 0;
    while (fgets(line, sizeof line, tool) != NULL) {
        if (strstr(line, " g ") == NULL || sscanf(strrchr(line, ' '), " %99s", name) != 1)
            continue;
        int is_known = 0;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            is_known |= begins(name, known[i]);
        cr_assert(is_known, "%s", line);
        count++;
    }
    cr_assert_eq(pclose(tool), 0);
    cr_assert_gt(count, 30);
}
