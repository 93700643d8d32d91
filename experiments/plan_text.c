#include "plan_text.h"

#include <stdio.h>
#include <string.h>

/* ---- names of plans -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned savings;
} sets[] = {{"plain", 0}, {"fast", MD_SAVINGS_FAST}, {"lean", MD_SAVINGS_LEAN}};
enum { SETS = sizeof sets / sizeof sets[0] };

static int same_word(const char *word, size_t length, const char *name) {
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

int md_savings_parse(const char *text, int *savings) {
    unsigned all = 0;
    if (strcmp(text, "auto") == 0) {
        *savings = -1;
        return 0;
    }
    for (const char *word = text;; word++) {
        size_t length = strcspn(word, "+");
        int known = 0;
        for (int i = 0; i < SETS; i++)
            if (same_word(word, length, sets[i].name)) {
                all |= sets[i].savings;
                known = 1;
            }
        for (int i = 0; i < MD_SAVING_COUNT; i++)
            if (same_word(word, length, md_saving_names[i])) {
                all |= 1u << i;
                known = 1;
            }
        if (!known)
            return -1;
        word += length;
        if (*word == '\0')
            break;
    }
    *savings = (int)all;
    return 0;
}

void md_savings_format(unsigned savings, char text[MD_SAVINGS_TEXT]) {
    unsigned left = savings;
    size_t length = 0;
    text[0] = '\0';
    for (int i = SETS; i-- > 0 && length == 0;) /* the largest set first */
        if ((savings & sets[i].savings) == sets[i].savings && (i > 0 || savings == 0)) {
            length = (size_t)snprintf(text, MD_SAVINGS_TEXT, "%s", sets[i].name);
            left &= ~sets[i].savings;
        }
    for (int i = 0; i < MD_SAVING_COUNT; i++)
        if ((left >> i & 1u) != 0)
            length += (size_t)snprintf(text + length, MD_SAVINGS_TEXT - length, "%s%s",
                                       length > 0 ? "+" : "", md_saving_names[i]);
}

/* ---- what is live ---------------------------------------------------------------------------- */

size_t md_buffer_total(const struct md_setup *setup, const struct md_plan *plan, int buffer) {
    return plan->buffer[buffer].bytes * (size_t)md_plan_copies(setup, plan, buffer);
}

int md_buffer_is_live(const struct md_buffer *buffer, int instruction) {
    return buffer->first <= instruction && buffer->last >= instruction;
}

const char *md_kb_text(size_t bytes, char text[MD_KB_TEXT]) {
    char digits[MD_KB_TEXT];
    int count = snprintf(digits, sizeof digits, "%zu", bytes / 1000 + (bytes % 1000 > 0)), to = 0;
    for (int i = 0; i < count && to + 2 < MD_KB_TEXT; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[to++] = ',';
        text[to++] = digits[i];
    }
    text[to] = '\0';
    return text;
}

static int has_layer(const struct md_buffer *buffer) {
    return buffer->kind != MD_WEIGHTS && buffer->kind != MD_OPTIMIZER_STATE &&
           buffer->kind != MD_SCRATCH && buffer->kind != MD_PICTURE_BYTES &&
           buffer->kind != MD_LABEL && buffer->kind != MD_LOSS_ROOM;
}

void md_describe_buffer(const struct md_network *network, const struct md_buffer *buffer,
                        char *text, size_t size) {
    snprintf(text, size, "%s%s%s", md_buffer_names[buffer->kind], has_layer(buffer) ? " of " : "",
             !has_layer(buffer)            ? ""
             : buffer->layer == MD_PICTURE ? "picture"
                                           : network->layers[buffer->layer].name);
}

static void describe_instruction(const struct md_setup *setup, const struct md_plan *plan,
                                 int number, char *text, size_t size) {
    const struct md_instruction *i = &plan->instruction[number];
    const char *layer = i->layer == MD_PICTURE ? "picture" : setup->network->layers[i->layer].name;
    size_t length = (size_t)snprintf(text, size, "instruction %d of %d (%s of %s", number,
                                     plan->instructions, md_what_names[i->what], layer);
    if (i->to > i->from && length < size)
        length +=
            (size_t)snprintf(text + length, size - length, ", rows %d to %d", i->from, i->to - 1);
    if (length < size)
        snprintf(text + length, size - length, ")");
}

void md_describe_peak(const struct md_setup *setup, const struct md_plan *plan, char *text,
                      size_t size) {
    enum { SHOWN = 4 };
    unsigned char told[MD_MAX_BUFFERS] = {0};
    describe_instruction(setup, plan, plan->peak, text, size);
    size_t length = strlen(text);
    for (int n = 0; n < SHOWN && length < size; n++) {
        int largest = -1;
        char name[64];
        for (int b = 0; b < plan->buffers; b++)
            if (!told[b] && md_buffer_is_live(&plan->buffer[b], plan->peak) &&
                (largest < 0 ||
                 md_buffer_total(setup, plan, b) > md_buffer_total(setup, plan, largest)))
                largest = b;
        if (largest < 0)
            break;
        told[largest] = 1;
        md_describe_buffer(setup->network, &plan->buffer[largest], name, sizeof name);
        length += (size_t)snprintf(text + length, size - length, "%s %s %zu",
                                   n == 0 ? ": the largest live there are" : ",", name,
                                   md_buffer_total(setup, plan, largest));
    }
}
