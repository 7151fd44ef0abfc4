/* test_c_source_arm.c -- the C that is written, on small machines.
 *
 * Claims: compiled for Cortex-M4 and Cortex-M7 without a warning, it runs on
 * QEMU's boards of those processors, with the memory of the board, and its
 * outputs are the stored ones bit for bit, with NET_SMLAD as without. Its flash
 * and memory, as the compiler's own tool counts them, are those that were
 * announced, and are printed for the networks that are there. Skipped without
 * arm-none-eabi-gcc with newlib, or without qemu-system-arm.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/emitting.h"

#define FLAGS "-std=c99 -Wall -Wextra -pedantic -Werror -Os -mthumb"

typedef struct machine {
    const char *cpu, *board;
} machine;

static const machine machines[] = {{"cortex-m4", "mps2-an386"},
                                   {"cortex-m7", "mps2-an500"}};

/* start.c is of this project and needs more than C99. */
static bool build_for(const machine *m, const char *define) {
    const char *source = getenv("HAWQ_SOURCE");
    return CHECK(shell("arm-none-eabi-gcc -mcpu=%s " FLAGS " %s -c net.c "
                       "-o net.o",
                       m->cpu, define)) &&
           CHECK(shell("arm-none-eabi-gcc -mcpu=%s " FLAGS " -c net_check.c "
                       "-o net_check.o",
                       m->cpu)) &&
           CHECK(shell("arm-none-eabi-gcc -mcpu=%s -mthumb -Os "
                       "-nostartfiles --specs=rdimon.specs "
                       "-T %s/tests/cortex_m/flash.ld "
                       "%s/tests/cortex_m/start.c net.o net_check.o "
                       "-lm -o net.elf",
                       m->cpu, source, source));
}

static void runs_with(const machine *m, const char *define) {
    if (!build_for(m, define)) return;
    CHECK(shell("timeout 120 qemu-system-arm -M %s -cpu %s -nographic "
                "-monitor none -serial none "
                "-semihosting-config enable=on,target=native -kernel net.elf "
                "</dev/null",
                m->board, m->cpu));
    program_slurp("said.txt", program_out);
    if (!CHECK(strstr(program_out, " 0 of ") != NULL))
        printf("    %s %s: %.300s\n", m->cpu, define, program_out);
}

/* As it is, and with the instruction that multiplies and adds twice, which has
 * to be there then. */
static void runs_on(const machine *m) {
    runs_with(m, "");
    runs_with(m, "-DNET_SMLAD");
    CHECK(shell("arm-none-eabi-objdump -d net.o | grep -qw smlad"));
}

/* "text data bss": of net.o on a Cortex-M4. */
static void sizes(const emitted *e, const char *network,
                  const char *candidates) {
    long text = 0, data = 0, bss = 0;
    if (!CHECK(shell("arm-none-eabi-gcc -mcpu=cortex-m4 " FLAGS
                     " -c net.c -o net.o && arm-none-eabi-size net.o")))
        return;
    program_slurp("said.txt", program_out);
    const char *numbers = strchr(program_out, '\n');
    if (!CHECK(numbers &&
               sscanf(numbers, "%ld %ld %ld", &text, &data, &bss) == 3))
        return;
    long memory = (long)(e->bytes.workspace + e->bytes.row);
    CHECK(data == 0 && bss >= memory && bss < memory + 8);
    CHECK(text > (long)e->bytes.constants);
    CHECK(text < (long)e->bytes.constants + 6000);
    printf("%-10s %-8s flash %6ld bytes, memory %6ld bytes\n", network,
           candidates, text, bss);
}

static void report(fixture *f, const char *network) {
    static const char *const candidates[] = {"w8", "w4", "w2c"};
    for (int i = 0; i < 3; i++) {
        emitted e;
        if (!emit(f, candidates[i], ".", 1, &e)) continue;
        sizes(&e, network, candidates[i]);
        if (i == 1) runs_on(&machines[0]);
        hawq_program_free(e.program);
    }
}

static void small_networks(void) {
    static const char *const candidates[] = {"w8", "w4g8+5% t k3",
                                             "w3a4 w2c w8g8+5%"};
    fixture                  f;
    fixture_open(&f, every_step());
    for (int i = 0; i < 3; i++) {
        emitted e;
        if (!emit(&f, candidates[i], ".", 4, &e)) continue;
        for (int m = 0; m < 2; m++) runs_on(&machines[m]);
        hawq_program_free(e.program);
    }
    fixture_close(&f);
}

static void real_networks(void) {
    static const char *const names[][2] = {{"ResNet8", "resnet8_cifar10"},
                                           {"KWS", "kws_dscnn_float"}};
    fixture                  f;
    if (shipped_open(&f)) {
        report(&f, "shipped");
        fixture_close(&f);
    }
    const char *folder = check_data();
    for (int i = 0; folder && i < 2; i++) {
        char        path[4096];
        hawq_graph *g = NULL;
        snprintf(path, sizeof path, "%s/models/%s.onnx", folder, names[i][1]);
        if (!CHECK_OK(hawq_onnx_load(path, 0, &g))) continue;
        fixture_open(&f, g);
        report(&f, names[i][0]);
        fixture_close(&f);
    }
}

int main(void) {
    if (!has_tool("arm-none-eabi-gcc") || !has_tool("qemu-system-arm"))
        return 77;
    if (!CHECK(program_open())) DONE();
    if (!shell("echo 'int main(void) { return 0; }' >a.c; arm-none-eabi-gcc "
               "--specs=rdimon.specs a.c -o a.out")) {
        printf("skipped: libnewlib-arm-none-eabi is not installed\n");
        program_close();
        return 77;
    }
    small_networks();
    real_networks();
    program_close();
    DONE();
}
