/* A pickle is a program for a stack machine. Ours runs the instructions that PyTorch emits for a
 * state dict and the plain values that training programs keep beside it, and builds only
 * descriptions: nothing a pickle says is ever executed.
 *
 * Instruction set: the module comments of CPython's Lib/pickletools.py.
 *
 * Every instruction takes at least one byte and makes at most one value, so no table ever needs
 * more entries than the pickle has bytes: all memory is taken once, at the start. */
#include "pickle_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const md_pickle_kind_names[] = {"mark", "boolean", "integer", "text", "tuple",  "dict",
                                            "name", "storage", "tensor",  "none", "number", "list"};
const char *const md_pickle_global_names[GLOBALS] = {
    [ORDERED_DICT] = "collections.OrderedDict",
    [REBUILD_TENSOR] = "torch._utils._rebuild_tensor_v2",
    [REBUILD_PARAMETER] = "torch._utils._rebuild_parameter",
    [FLOAT_STORAGE] = "torch.FloatStorage",
    [BFLOAT16_STORAGE] = "torch.BFloat16Storage",
};

const struct value *md_pickle_on_stack(const struct machine *machine, size_t place) {
    return &machine->values[machine->stack[place]];
}

int md_pickle_is_printable(unsigned char c) {
    return c > ' ' && c < 0x7f;
}

const char *md_pickle_show(const unsigned char *text, size_t length, size_t size, char *shown) {
    size_t count = length < size ? length : size - 1;
    for (size_t i = 0; i < count; i++)
        shown[i] = md_pickle_is_printable(text[i]) ? (char)text[i] : '?';
    shown[count] = '\0';
    return shown;
}

/* The name of the tensor that is being built: the key below the topmost rebuild function. */
static const struct value *tensor_in_work(const struct machine *machine) {
    for (size_t i = machine->height_before; i-- > 1;) {
        const struct value *value = md_pickle_on_stack(machine, i),
                           *below = md_pickle_on_stack(machine, i - 1);
        if (value->kind == GLOBAL && value->where == REBUILD_TENSOR)
            return below->kind == TEXT ? below : NULL;
    }
    return NULL;
}

void md_pickle_locate(const struct machine *machine) {
    char where[160], name[96];
    const struct value *key = tensor_in_work(machine);
    int length = snprintf(where, sizeof where, "data.pkl byte %zu", machine->instruction);
    if (key != NULL)
        snprintf(where + length, sizeof where - (size_t)length, ": tensor '%s'",
                 md_pickle_show(machine->bytes + key->where, key->length, sizeof name, name));
    md_error_prefix(machine->error, where);
}

int md_pickle_push(struct machine *machine, enum md_pickle_kind kind, int32_t where,
                   uint32_t length) {
    machine->values[machine->value_count] = (struct value){kind, where, length};
    machine->stack[machine->height++] = (uint32_t)machine->value_count++;
    return MD_OK;
}

/* Checks that the stack has `count` values, none of them a mark, and takes them off. They stay
 * readable at machine->stack[machine->height ...] until the next push. */
static int pop(struct machine *machine, size_t count) {
    if (count > machine->height)
        return md_pickle_fail(machine, "the stack is empty");
    for (size_t i = machine->height - count; i < machine->height; i++)
        if (md_pickle_on_stack(machine, i)->kind == MARK)
            return md_pickle_fail(machine, "there is a mark where a value was expected");
    machine->height -= count;
    return MD_OK;
}

static int pop_kind(struct machine *machine, enum md_pickle_kind kind, const struct value **value) {
    MD_TRY(pop(machine, 1));
    *value = md_pickle_on_stack(machine, machine->height);
    if ((*value)->kind != kind)
        return md_pickle_fail(machine, "found a %s, expected a %s",
                              md_pickle_kind_names[(*value)->kind], md_pickle_kind_names[kind]);
    return MD_OK;
}

/* Takes everything down to the topmost mark, and the mark; `count` is how many lay above it. */
static int pop_to_mark(struct machine *machine, size_t *count) {
    size_t mark = machine->height;
    while (mark > 0 && md_pickle_on_stack(machine, mark - 1)->kind != MARK)
        mark--;
    if (mark == 0)
        return md_pickle_fail(machine, "there is no mark on the stack");
    *count = machine->height - mark;
    machine->height = mark - 1;
    return MD_OK;
}

static int run_protocol(struct machine *machine, uint32_t version) {
    return version == 2 ? MD_OK
                        : md_pickle_fail(machine, "pickle protocol %u, expected 2", version);
}

static int run_mark(struct machine *machine, uint32_t unused) {
    (void)unused;
    return md_pickle_push(machine, MARK, 0, 0);
}

static int run_boolean(struct machine *machine, uint32_t truth) {
    return md_pickle_push(machine, BOOLEAN, (int32_t)truth, 0);
}

static int run_integer(struct machine *machine, uint32_t number) {
    return md_pickle_push(machine, INTEGER, (int32_t)number, 0);
}

static int run_none(struct machine *machine, uint32_t unused) {
    (void)unused;
    return md_pickle_push(machine, NONE, 0, 0);
}

/* A number that no tensor has a use for: of `bytes` bytes, which are skipped. */
static int run_number(struct machine *machine, uint32_t bytes) {
    if (bytes > machine->length - machine->position)
        return md_pickle_fail(machine, "a number of %u bytes does not fit into the file", bytes);
    machine->position += bytes;
    return md_pickle_push(machine, NUMBER, 0, 0);
}

static int run_list(struct machine *machine, uint32_t unused) {
    (void)unused;
    return md_pickle_push(machine, LIST, 0, 0);
}

/* Of a list into which values were put that are gone: no tensor is looked for in one. */
static int check_list(struct machine *machine) {
    if (machine->height == 0 || md_pickle_on_stack(machine, machine->height - 1)->kind != LIST)
        return md_pickle_fail(machine, "there is no list to append to");
    return MD_OK;
}

static int run_text(struct machine *machine, uint32_t length) {
    if (length > machine->length - machine->position)
        return md_pickle_fail(machine, "text of %u bytes does not fit into the file", length);
    int32_t where = (int32_t)machine->position;
    machine->position += length;
    return md_pickle_push(machine, TEXT, where, length);
}

#define MORE_THAN_A_STATE_DICT "the file holds more than a state dict; save model.state_dict()"

/* GLOBAL: two lines, module and name. */
static int run_global(struct machine *machine, uint32_t unused) {
    (void)unused;
    char name[96];
    const unsigned char *start = machine->bytes + machine->position;
    size_t left = machine->length - machine->position;
    const unsigned char *first = memchr(start, '\n', left);
    const unsigned char *second =
        first == NULL ? NULL : memchr(first + 1, '\n', left - (size_t)(first + 1 - start));
    if (second == NULL)
        return md_pickle_fail(machine, "a name without its end");
    machine->position += (size_t)(second + 1 - start);
    md_pickle_show(start, (size_t)(second - start), sizeof name, name);
    if (first < start + strlen(name))
        name[first - start] = '.';
    for (int g = 0; g < GLOBALS; g++)
        if (strcmp(name, md_pickle_global_names[g]) == 0)
            return md_pickle_push(machine, GLOBAL, g, 0);
    const char *storage = strstr(name, "Storage");
    if (storage != NULL && strncmp(name, "torch.", 6) == 0) {
        int is_real = strstr(name, "Half") != NULL || strstr(name, "Double") != NULL;
        return md_pickle_fail(machine, "'%s' is refused: only float32 and bfloat16 are read; %s",
                              name,
                              is_real ? "save model.float().state_dict()"
                                      : "leave out what is no weight, such as counters");
    }
    return md_pickle_fail(machine, "'%s' is refused: " MORE_THAN_A_STATE_DICT, name);
}

/* Makes a tuple of the `count` values that have just been taken from stack[first ...]. */
static int push_tuple(struct machine *machine, size_t first, size_t count) {
    size_t where = machine->member_count;
    memcpy(machine->members + where, machine->stack + first, count * sizeof *machine->members);
    machine->member_count += count;
    return md_pickle_push(machine, TUPLE, (int32_t)where, (uint32_t)count);
}

static int run_tuple_of(struct machine *machine, uint32_t count) {
    MD_TRY(pop(machine, count));
    return push_tuple(machine, machine->height, count);
}

static int run_tuple(struct machine *machine, uint32_t unused) {
    (void)unused;
    size_t count = 0;
    MD_TRY(pop_to_mark(machine, &count));
    return push_tuple(machine, machine->height + 1, count);
}

static int run_dict(struct machine *machine, uint32_t unused) {
    (void)unused;
    return md_pickle_push(machine, DICT, 0, 0);
}

/* Writes the `count` / 2 pairs at stack[first ...] into the dict on top of the stack. */
static int set_items(struct machine *machine, size_t first, size_t count) {
    if (machine->height == 0 || md_pickle_on_stack(machine, machine->height - 1)->kind != DICT)
        return md_pickle_fail(machine, "there is no dict to put an item into");
    if (count % 2 != 0)
        return md_pickle_fail(machine, "a key without its value");
    for (size_t i = first; i < first + count; i += 2)
        if (md_pickle_on_stack(machine, i)->kind == TEXT) /* an optimizer counts parameters */
            machine->entries[machine->entry_count++] = (struct entry){
                machine->stack[machine->height - 1], machine->stack[i], machine->stack[i + 1]};
    return MD_OK;
}

static int run_set_item(struct machine *machine, uint32_t unused) {
    (void)unused;
    MD_TRY(pop(machine, 2));
    return set_items(machine, machine->height, 2);
}

static int run_set_items(struct machine *machine, uint32_t unused) {
    (void)unused;
    size_t count = 0;
    MD_TRY(pop_to_mark(machine, &count));
    return set_items(machine, machine->height + 1, count);
}

static int run_append(struct machine *machine, uint32_t unused) {
    (void)unused;
    MD_TRY(pop(machine, 1));
    return check_list(machine);
}

static int run_appends(struct machine *machine, uint32_t unused) {
    (void)unused;
    size_t count = 0;
    MD_TRY(pop_to_mark(machine, &count));
    return check_list(machine);
}

static int run_put(struct machine *machine, uint32_t slot) {
    if (slot >= machine->length)
        return md_pickle_fail(machine, "memo slot %u is out of range", slot);
    int status = pop(machine, 1);
    if (status == MD_OK)
        machine->memo[slot] = machine->stack[machine->height++] + 1;
    return status;
}

static int run_get(struct machine *machine, uint32_t slot) {
    if (slot >= machine->length || machine->memo[slot] == 0)
        return md_pickle_fail(machine, "memo slot %u is empty", slot);
    machine->stack[machine->height++] = machine->memo[slot] - 1;
    return MD_OK;
}

/* BINPERSID: the only things outside the pickle are storages. */
static int run_storage(struct machine *machine, uint32_t unused) {
    (void)unused;
    const struct value *tuple;
    MD_TRY(pop_kind(machine, TUPLE, &tuple));
    return md_pickle_storage(machine, tuple);
}

static int run_reduce(struct machine *machine, uint32_t unused) {
    (void)unused;
    const struct value *arguments, *function;
    MD_TRY(pop_kind(machine, TUPLE, &arguments));
    MD_TRY(pop_kind(machine, GLOBAL, &function));
    if (function->where == REBUILD_TENSOR)
        return md_pickle_tensor(machine, arguments);
    if (function->where == REBUILD_PARAMETER)
        return md_pickle_parameter(machine, arguments);
    if (function->where == ORDERED_DICT && arguments->length == 0)
        return md_pickle_push(machine, DICT, 0, 0);
    return md_pickle_fail(machine, "a call of %s with %u arguments",
                          md_pickle_global_names[function->where], arguments->length);
}

/* BUILD sets the attributes of an object; a state dict has "_metadata", which nobody needs. */
static int run_build(struct machine *machine, uint32_t unused) {
    (void)unused;
    const struct value *state, *object;
    int status = pop_kind(machine, DICT, &state);
    MD_THEN(status, pop_kind(machine, DICT, &object));
    if (status == MD_OK)
        machine->height++;
    return status;
}

static int run_stop(struct machine *machine, uint32_t unused) {
    (void)unused;
    machine->stopped = 1;
    if (machine->position != machine->length)
        return md_pickle_fail(machine, "there is more behind the end");
    if (machine->height != 1 || md_pickle_on_stack(machine, 0)->kind != DICT)
        return md_pickle_fail(machine,
                              "the file does not hold a state dict; save model.state_dict()");
    return MD_OK;
}

/* An instruction gets the `operand_bytes` that follow it as a little-endian number, or else the
 * constant of its row. */
static const struct instruction {
    unsigned char code, operand_bytes, constant;
    int (*run)(struct machine *machine, uint32_t operand);
} instructions[] = {
    {0x80, 1, 0, run_protocol}, {'c', 0, 0, run_global},    {'(', 0, 0, run_mark},
    {'q', 1, 0, run_put},       {'r', 4, 0, run_put},       {'h', 1, 0, run_get},
    {'j', 4, 0, run_get},       {')', 0, 0, run_tuple_of},  {0x85, 0, 1, run_tuple_of},
    {0x86, 0, 2, run_tuple_of}, {0x87, 0, 3, run_tuple_of}, {'t', 0, 0, run_tuple},
    {'X', 4, 0, run_text},      {'J', 4, 0, run_integer},   {'K', 1, 0, run_integer},
    {'M', 2, 0, run_integer},   {0x88, 0, 1, run_boolean},  {0x89, 0, 0, run_boolean},
    {'}', 0, 0, run_dict},      {'s', 0, 0, run_set_item},  {'u', 0, 0, run_set_items},
    {'Q', 0, 0, run_storage},   {'R', 0, 0, run_reduce},    {'b', 0, 0, run_build},
    {'.', 0, 0, run_stop},      {'N', 0, 0, run_none},      {'G', 0, 8, run_number},
    {0x8a, 1, 0, run_number},   {']', 0, 0, run_list},      {'a', 0, 0, run_append},
    {'e', 0, 0, run_appends},
};
enum { INSTRUCTION_COUNT = sizeof instructions / sizeof *instructions };

static const struct instruction *find_instruction(unsigned char code) {
    for (int i = 0; i < INSTRUCTION_COUNT; i++)
        if (instructions[i].code == code)
            return &instructions[i];
    return NULL;
}

static int step(struct machine *machine) {
    machine->instruction = machine->position;
    machine->height_before = machine->height;
    if (machine->position == machine->length)
        return md_pickle_fail(machine, "the pickle ends too early");
    unsigned char code = machine->bytes[machine->position++];
    const struct instruction *instruction = find_instruction(code);
    if (instruction == NULL)
        return md_pickle_fail(machine, MORE_THAN_A_STATE_DICT " (instruction 0x%02x)", code);
    if (instruction->operand_bytes > machine->length - machine->position)
        return md_pickle_fail(machine, "the pickle ends too early");
    uint32_t operand = instruction->constant;
    for (unsigned i = 0; i < instruction->operand_bytes; i++)
        operand |= (uint32_t)machine->bytes[machine->position++] << (8 * i);
    return instruction->run(machine, operand);
}

static void free_machine(struct machine *machine) {
    free(machine->values);
    free(machine->stack);
    free(machine->members);
    free(machine->memo);
    free(machine->entries);
    free(machine->tensors);
}

static int allocate_machine(struct machine *machine) {
    size_t n = machine->length;
    machine->values = calloc(n, sizeof *machine->values);
    machine->stack = calloc(n, sizeof *machine->stack);
    machine->members = calloc(n, sizeof *machine->members);
    machine->memo = calloc(n, sizeof *machine->memo);
    machine->entries = calloc(n, sizeof *machine->entries);
    machine->tensors = calloc(MD_PICKLE_MOST_TENSORS, sizeof *machine->tensors);
    return machine->values != NULL && machine->stack != NULL && machine->members != NULL &&
           machine->memo != NULL && machine->entries != NULL && machine->tensors != NULL;
}

int md_pickle_read(const unsigned char *bytes, size_t length, struct md_state_dict *dict,
                   struct md_error *error) {
    *dict = (struct md_state_dict){0};
    if (length == 0 || length > MD_PICKLE_MOST_BYTES)
        return md_fail(error, MD_FAILED, "data.pkl has %zu bytes, expected 1 to %d", length,
                       MD_PICKLE_MOST_BYTES);
    struct machine machine = {.bytes = bytes, .length = length, .error = error};
    dict->tensors = calloc(MD_PICKLE_MOST_TENSORS, sizeof *dict->tensors);
    int status = MD_OK;
    if (!allocate_machine(&machine) || dict->tensors == NULL)
        status = md_fail(error, MD_FAILED, "data.pkl: out of memory");
    while (status == MD_OK && !machine.stopped)
        status = step(&machine);
    MD_THEN(status, md_pickle_collect(&machine, dict));
    if (status != MD_OK)
        md_state_dict_free(dict);
    free_machine(&machine);
    return status;
}

void md_state_dict_free(struct md_state_dict *dict) {
    free(dict->tensors);
    *dict = (struct md_state_dict){0};
}
