/* start.c -- what a Cortex-M does before main: the two words it reads at
 * address 0, and variables put in place. Output and the exit code go to the
 * debugger (semihosting).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t stack_top, data_stored, data_begin, data_end, bss_begin,
    bss_end;
void initialise_monitor_handles(void); /* of newlib's rdimon */
int  main(void);
void reset(void);

__attribute__((section(".vectors"),
               used)) static const void *const vectors[] = {
    &stack_top, (const void *)reset};

void reset(void) {
    const uint32_t *from = &data_stored;
    for (uint32_t *to = &data_begin; to < &data_end;) *to++ = *from++;
    for (uint32_t *to = &bss_begin; to < &bss_end;) *to++ = 0;
    initialise_monitor_handles();
    exit(main());
}

/* newlib calls them around main where constructors exist; here none do. */
void _init(void);
void _fini(void);
void _init(void) {
}
void _fini(void) {
}
