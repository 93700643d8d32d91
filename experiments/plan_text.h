/* A plan in words: its savings, its buffers, its peak. */
#ifndef MD_EXPERIMENTS_PLAN_TEXT_H
#define MD_EXPERIMENTS_PLAN_TEXT_H

#include "../core/plan.h"

/* "auto" is -1; otherwise savings: "plain", "fast", "lean" and names of md_saving_names, joined by
 * '+'. Returns 0, or -1 when `text` is no plan. */
int md_savings_parse(const char *text, int *savings);

/* "fast", "lean+flash", "share+stream": the shortest spelling. */
enum { MD_SAVINGS_TEXT = 64 };
void md_savings_format(unsigned savings, char text[MD_SAVINGS_TEXT]);

/* Where the most is live, and the largest buffers there: "instruction 12 of 98 (forward of
 * decoder2.conv0, rows 0 to 47): the largest live there are ...". */
void md_describe_peak(const struct md_setup *setup, const struct md_plan *plan, char *text,
                      size_t size);

/* The buffer's kind and the layer it belongs to: "activation of decoder2.conv0". */
void md_describe_buffer(const struct md_network *network, const struct md_buffer *buffer,
                        char *text, size_t size);

/* All copies of a buffer; and whether it is live at an instruction. */
size_t md_buffer_total(const struct md_setup *setup, const struct md_plan *plan, int buffer);
int md_buffer_is_live(const struct md_buffer *buffer, int instruction);

/* Bytes in whole kB, rounded up, thousands apart: "1,015". */
enum { MD_KB_TEXT = 32 };
const char *md_kb_text(size_t bytes, char text[MD_KB_TEXT]);

#endif
