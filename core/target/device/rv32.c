/* The RISC-V target: a static bare program (rv32imc_zicsr_zfinx_zhinx) with its own few Linux
 * system calls, for qemu-riscv32. It reads a job from standard input and writes its trace to
 * standard output; the exit code is enum md_job_error. The cores are coroutines that take turns at
 * every barrier. */
#include "device.h"

enum { MAX_CORES = 8, STACK_BYTES = 64 << 10 };

static unsigned char arena[MD_LARGE_ARENA_BYTES] __attribute__((aligned(64)));
static unsigned char flash[MD_LARGE_FLASH_BYTES] __attribute__((aligned(64)));

/* ---- system calls ---------------------------------------------------------------------------- */

enum { SYS_READ = 63, SYS_WRITE = 64, SYS_EXIT = 93, STDIN = 0, STDOUT = 1 };

static long system_call(long number, long a, long b, long c) {
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

/* What the compiler may call by itself. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

void *memcpy(void *to, const void *from, size_t bytes) {
    unsigned char *t = to;
    const unsigned char *f = from;
    while (bytes-- > 0)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
    unsigned char *t = to;
    const unsigned char *f = from;
    if (t <= f)
        return memcpy(to, from, bytes);
    while (bytes-- > 0)
        t[bytes] = f[bytes];
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    unsigned char *t = to;
    while (bytes-- > 0)
        *t++ = (unsigned char)value;
    return to;
}

static long read_input(struct md_stream *stream, unsigned char *bytes, size_t count) {
    (void)stream;
    return system_call(SYS_READ, STDIN, (long)bytes, (long)count);
}

static long write_output(struct md_stream *stream, unsigned char *bytes, size_t count) {
    (void)stream;
    return system_call(SYS_WRITE, STDOUT, (long)bytes, (long)count);
}

/* ---- cores ----------------------------------------------------------------------------------- */

/* What a core leaves when another takes its turn: ra, sp, s0 .. s11. */
struct context {
    long registers[14];
};

void switch_context(struct context *from, const struct context *to);
__asm__(".text\n"
        ".globl switch_context\n"
        "switch_context:\n"
        "sw ra, 0(a0)\n  sw sp, 4(a0)\n  sw s0, 8(a0)\n  sw s1, 12(a0)\n"
        "sw s2, 16(a0)\n sw s3, 20(a0)\n sw s4, 24(a0)\n sw s5, 28(a0)\n"
        "sw s6, 32(a0)\n sw s7, 36(a0)\n sw s8, 40(a0)\n sw s9, 44(a0)\n"
        "sw s10, 48(a0)\nsw s11, 52(a0)\n"
        "lw ra, 0(a1)\n  lw sp, 4(a1)\n  lw s0, 8(a1)\n  lw s1, 12(a1)\n"
        "lw s2, 16(a1)\n lw s3, 20(a1)\n lw s4, 24(a1)\n lw s5, 28(a1)\n"
        "lw s6, 32(a1)\n lw s7, 36(a1)\n lw s8, 40(a1)\n lw s9, 44(a1)\n"
        "lw s10, 48(a1)\nlw s11, 52(a1)\n"
        "ret\n");

static struct {
    struct md_team team;
    int core; /* whose turn it is */
    struct context contexts[MAX_CORES];
    unsigned char stacks[MAX_CORES][STACK_BYTES] __attribute__((aligned(16)));
    void (*work)(void *argument, int core);
    void *argument;
} cluster;

/* The next core's turn. All do the same between two barriers, so that a turn each, in order, is a
 * barrier: core 0 comes back here when all the others have arrived. */
static void next_core(struct md_team *team) {
    int from = cluster.core;
    cluster.core = (from + 1) % team->cores;
    switch_context(&cluster.contexts[from], &cluster.contexts[cluster.core]);
}

static void core_main(void) {
    cluster.work(cluster.argument, cluster.core);
    for (;;)
        next_core(&cluster.team);
}

static void run(struct md_team *team, void (*work)(void *argument, int core), void *argument) {
    cluster.work = work;
    cluster.argument = argument;
    for (int core = 1; core < team->cores; core++) {
        cluster.contexts[core].registers[0] = (long)core_main;
        cluster.contexts[core].registers[1] = (long)(cluster.stacks[core] + STACK_BYTES);
    }
    work(argument, 0);
    next_core(team); /* the others, from the last barrier to their end */
}

static struct md_team *team_of(int cores) {
    cluster.team = (struct md_team){cores, run, next_core};
    return cores <= MAX_CORES ? &cluster.team : NULL;
}

/* ---- the program ----------------------------------------------------------------------------- */

void program(void);

void _start(void);
__attribute__((naked)) void _start(void) {
    __asm__ volatile("andi sp, sp, -16\n"
                     "call program\n");
}

void program(void) {
    static struct md_device device = {.job.transfer = read_input,
                                      .trace.transfer = write_output,
                                      .team = team_of,
                                      .arena = arena,
                                      .arena_bytes = sizeof arena};
    device.flash = md_flash_in(flash, sizeof flash);
    enum md_job_error error = md_device_work(&device);
    system_call(SYS_EXIT, error, 0, 0);
}
