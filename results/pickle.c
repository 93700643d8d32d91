/* A pickle is a program for a stack machine. Ours runs the instructions that PyTorch emits for a
 * state dict and the plain values that training programs keep beside it, and builds only
 * descriptions: nothing a pickle says is ever executed.
 *
 * Instruction set: the module comments of CPython's Lib/pickletools.py.
 *
 * Every instruction takes at least one byte and makes at most one value, so no table ever needs
 * more entries than the pickle has bytes: all memory is allocated once, at the start. */
#include "pickle.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    MARK,
    BOOLEAN,
    INTEGER,
    TEXT,
    TUPLE,
    DICT,
    GLOBAL,
    STORAGE,
    TENSOR,
    NONE,
    NUMBER,
    LIST
};
enum global {
    ORDERED_DICT,
    REBUILD_TENSOR,
    REBUILD_PARAMETER,
    FLOAT_STORAGE,
    BFLOAT16_STORAGE,
    GLOBALS
};

static const char *const kind_names[] = {"mark", "boolean", "integer", "text", "tuple",  "dict",
                                         "name", "storage", "tensor",  "none", "number", "list"};
static const char *const global_names[GLOBALS] = {
    [ORDERED_DICT] = "collections.OrderedDict",
    [REBUILD_TENSOR] = "torch._utils._rebuild_tensor_v2",
    [REBUILD_PARAMETER] = "torch._utils._rebuild_parameter",
    [FLOAT_STORAGE] = "torch.FloatStorage",
    [BFLOAT16_STORAGE] = "torch.BFloat16Storage",
};

struct value {
    enum kind kind;
    /* INTEGER and BOOLEAN: the number. TEXT: where it begins in the pickle. TUPLE: where its
     * members begin in `members`. GLOBAL: which one. STORAGE: its tuple. TENSOR: its place in
     * `tensors`. DICT: at the end, whether the whole leads to it. */
    int32_t where;
    uint32_t length; /* of a TEXT, in bytes, or a TUPLE, in members */
};

/* dict[key] = value; dicts and keys and values by their place in `values`. */
struct entry {
    uint32_t dict, key, value;
};

struct machine {
    const unsigned char *bytes;
    size_t length, position;
    size_t instruction; /* where the one being run begins */
    int stopped;
    struct value *values;
    uint32_t *stack, *members, *memo; /* places in `values`; memo: that + 1, 0 for unset */
    struct entry *entries;
    struct md_pth_tensor *tensors;
    size_t value_count, height, member_count, entry_count, tensor_count;
    size_t height_before; /* of the stack, before the instruction being run */
    struct md_error *error;
};

/* The value at `index` of the stack, counted from its bottom. */
static const struct value *on_stack(const struct machine *machine, size_t index) {
    return &machine->values[machine->stack[index]];
}

/* A character that can be shown to the user and used in a name. */
static int is_printable(unsigned char c) {
    return c > ' ' && c < 0x7f;
}

/* Copies text for a message, with anything unprintable as '?', cut to `size`; returns `shown`. */
static const char *show(const unsigned char *text, size_t length, size_t size, char *shown) {
    size_t count = length < size ? length : size - 1;
    for (size_t i = 0; i < count; i++)
        shown[i] = is_printable(text[i]) ? (char)text[i] : '?';
    shown[count] = '\0';
    return shown;
}

/* The name of the tensor that is being built: the key below the topmost rebuild function. */
static const struct value *tensor_in_work(const struct machine *machine) {
    for (size_t i = machine->height_before; i-- > 1;) {
        const struct value *value = on_stack(machine, i), *below = on_stack(machine, i - 1);
        if (value->kind == GLOBAL && value->where == REBUILD_TENSOR)
            return below->kind == TEXT ? below : NULL;
    }
    return NULL;
}

/* Puts "data.pkl byte N: " before the error's text, and the name of the tensor when one is being
 * built. */
static void locate(const struct machine *machine) {
    char where[160], name[96];
    const struct value *key = tensor_in_work(machine);
    int length = snprintf(where, sizeof where, "data.pkl byte %zu", machine->instruction);
    if (key != NULL)
        snprintf(where + length, sizeof where - (size_t)length, ": tensor '%s'",
                 show(machine->bytes + key->where, key->length, sizeof name, name));
    md_error_prefix(machine->error, where);
}

#define fail(machine, ...)                                                                         \
    (md_error_set((machine)->error, __VA_ARGS__), locate(machine), (int)MD_FAILED)

/* Puts a new value on the stack; always MD_OK. */
static int push(struct machine *machine, enum kind kind, int32_t where, uint32_t length) {
    machine->values[machine->value_count] = (struct value){kind, where, length};
    machine->stack[machine->height++] = (uint32_t)machine->value_count++;
    return MD_OK;
}

/* Checks that the stack has `count` values, none of them a mark, and takes them off. They stay
 * readable at machine->stack[machine->height ...] until the next push. */
static int pop(struct machine *machine, size_t count) {
    if (count > machine->height)
        return fail(machine, "the stack is empty");
    for (size_t i = machine->height - count; i < machine->height; i++)
        if (on_stack(machine, i)->kind == MARK)
            return fail(machine, "there is a mark where a value was expected");
    machine->height -= count;
    return MD_OK;
}

static int pop_kind(struct machine *machine, enum kind kind, const struct value **value) {
    MD_TRY(pop(machine, 1));
    *value = on_stack(machine, machine->height);
    if ((*value)->kind != kind)
        return fail(machine, "found a %s, expected a %s", kind_names[(*value)->kind],
                    kind_names[kind]);
    return MD_OK;
}

/* Takes everything down to the topmost mark, and the mark; `count` is how many lay above it. */
static int pop_to_mark(struct machine *machine, size_t *count) {
    size_t mark = machine->height;
    while (mark > 0 && on_stack(machine, mark - 1)->kind != MARK)
        mark--;
    if (mark == 0)
        return fail(machine, "there is no mark on the stack");
    *count = machine->height - mark;
    machine->height = mark - 1;
    return MD_OK;
}

/* Takes off `wanted` values, or with TO_MARK all above the topmost mark. There are `count`, at
 * stack[first ...]. */
enum { TO_MARK = 255 };
static int pop_values(struct machine *machine, uint32_t wanted, size_t *first, size_t *count) {
    *count = wanted;
    MD_TRY(wanted == TO_MARK ? pop_to_mark(machine, count) : pop(machine, wanted));
    *first = machine->height + (wanted == TO_MARK);
    return MD_OK;
}

/* ---- what PyTorch means -------------------------------------------------------------------- */

enum { MOST_DIMENSIONS = 8 };

static const struct value *member(const struct machine *machine, const struct value *tuple,
                                  size_t index) {
    return &machine->values[machine->members[(size_t)tuple->where + index]];
}

/* Checks the kinds of all members of a tuple; `what` says what it stands for. */
static int check_members(struct machine *machine, const struct value *tuple, size_t count,
                         const enum kind *kinds, const char *what) {
    if (tuple->length != count)
        return fail(machine, "%s has %u members, expected %zu", what, tuple->length, count);
    for (size_t i = 0; i < count; i++)
        if (member(machine, tuple, i)->kind != kinds[i])
            return fail(machine, "member %zu of %s is a %s, expected a %s", i, what,
                        kind_names[member(machine, tuple, i)->kind], kind_names[kinds[i]]);
    return MD_OK;
}

/* Copies a text that will be a name: 1 .. size - 1 printable characters. */
static int copy_name(struct machine *machine, const struct value *text, size_t size, char *name) {
    const unsigned char *start = machine->bytes + text->where;
    int fits = text->length > 0 && text->length < size;
    for (size_t i = 0; fits && i < text->length; i++)
        fits = is_printable(start[i]);
    show(start, text->length, size, name);
    return fits ? MD_OK : fail(machine, "'%s' is empty, too long or unprintable", name);
}

/* ("storage", type, key, device, elements) */
static int make_storage(struct machine *machine, const struct value *tuple) {
    static const enum kind kinds[] = {TEXT, GLOBAL, TEXT, TEXT, INTEGER};
    MD_TRY(check_members(machine, tuple, 5, kinds, "a storage"));
    const struct value *tag = member(machine, tuple, 0);
    if (tag->length != 7 || memcmp(machine->bytes + tag->where, "storage", 7) != 0)
        return fail(machine, "a persistent id that is not a storage");
    if (member(machine, tuple, 1)->where < FLOAT_STORAGE)
        return fail(machine, "'%s' is not a storage type",
                    global_names[member(machine, tuple, 1)->where]);
    int32_t elements = member(machine, tuple, 4)->where;
    if (elements < 1 || elements > MD_PICKLE_MOST_ELEMENTS)
        return fail(machine, "a storage of %d elements, expected 1 to %d", elements,
                    MD_PICKLE_MOST_ELEMENTS);
    return push(machine, STORAGE, tuple->where, tuple->length);
}

static int read_shape(struct machine *machine, const struct value *sizes,
                      const struct value *strides, struct md_pth_tensor *tensor) {
    if (sizes->length > MOST_DIMENSIONS || strides->length != sizes->length)
        return fail(machine, "%u sizes and %u strides", sizes->length, strides->length);
    tensor->dimensions = (int)sizes->length;
    tensor->count = 1;
    for (size_t d = sizes->length; d-- > 0;) {
        const struct value *size = member(machine, sizes, d), *stride = member(machine, strides, d);
        if (size->kind != INTEGER || stride->kind != INTEGER)
            return fail(machine, "a size or stride is not an integer");
        if (size->where < 1 || (size_t)size->where > MD_PICKLE_MOST_ELEMENTS / tensor->count)
            return fail(machine, "size %d in dimension %zu is out of range", size->where, d);
        /* The stride of a dimension of one element is never used, and PyTorch may write any. */
        if (size->where != 1 && (stride->where < 1 || (size_t)stride->where != tensor->count))
            return fail(machine, "it is not contiguous: stride %d in dimension %zu, expected %zu",
                        stride->where, d, tensor->count);
        tensor->shape[d] = (size_t)size->where;
        tensor->count *= (size_t)size->where;
    }
    return MD_OK;
}

/* _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, backward_hooks) */
static int make_tensor(struct machine *machine, const struct value *arguments) {
    static const enum kind kinds[] = {STORAGE, INTEGER, TUPLE, TUPLE, BOOLEAN, DICT};
    MD_TRY(check_members(machine, arguments, 6, kinds, "the tensor"));
    if (machine->tensor_count == MD_PICKLE_MOST_TENSORS)
        return fail(machine, "more than %d tensors", MD_PICKLE_MOST_TENSORS);
    struct md_pth_tensor *tensor = &machine->tensors[machine->tensor_count];
    const struct value *storage = member(machine, arguments, 0);
    int bfloat16 = member(machine, storage, 1)->where == BFLOAT16_STORAGE;
    tensor->type = bfloat16 ? MD_STORAGE_BFLOAT16 : MD_STORAGE_FLOAT32;
    tensor->storage_count = (size_t)member(machine, storage, 4)->where;
    MD_TRY(
        copy_name(machine, member(machine, storage, 2), sizeof tensor->storage, tensor->storage));
    MD_TRY(
        read_shape(machine, member(machine, arguments, 2), member(machine, arguments, 3), tensor));
    int32_t offset = member(machine, arguments, 1)->where;
    if (offset < 0 || tensor->count > tensor->storage_count ||
        (size_t)offset > tensor->storage_count - tensor->count)
        return fail(machine, "%zu elements from %d on do not fit into a storage of %zu",
                    tensor->count, offset, tensor->storage_count);
    tensor->offset = (size_t)offset;
    return push(machine, TENSOR, (int32_t)machine->tensor_count++, 0);
}

/* _rebuild_parameter(tensor, requires_grad, backward_hooks) */
static int make_parameter(struct machine *machine, const struct value *arguments) {
    static const enum kind kinds[] = {TENSOR, BOOLEAN, DICT};
    int status = check_members(machine, arguments, 3, kinds, "a parameter");
    if (status == MD_OK)
        machine->stack[machine->height++] = machine->members[arguments->where];
    return status;
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* Of a mark, none, a list and a dict it is enough to know what they are. */
static int run_push(struct machine *machine, uint32_t kind) {
    return push(machine, (enum kind)kind, 0, 0);
}

static int run_protocol(struct machine *machine, uint32_t version) {
    return version == 2 ? MD_OK : fail(machine, "pickle protocol %u, expected 2", version);
}

static int run_boolean(struct machine *machine, uint32_t truth) {
    return push(machine, BOOLEAN, (int32_t)truth, 0);
}

static int run_integer(struct machine *machine, uint32_t number) {
    return push(machine, INTEGER, (int32_t)number, 0);
}

/* A number that no tensor has a use for: of `bytes` bytes, which are skipped. */
static int run_number(struct machine *machine, uint32_t bytes) {
    if (bytes > machine->length - machine->position)
        return fail(machine, "a number of %u bytes does not fit into the file", bytes);
    machine->position += bytes;
    return push(machine, NUMBER, 0, 0);
}

static int run_text(struct machine *machine, uint32_t length) {
    if (length > machine->length - machine->position)
        return fail(machine, "text of %u bytes does not fit into the file", length);
    int32_t where = (int32_t)machine->position;
    machine->position += length;
    return push(machine, TEXT, where, length);
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
        return fail(machine, "a name without its end");
    machine->position += (size_t)(second + 1 - start);
    show(start, (size_t)(second - start), sizeof name, name);
    if (first < start + strlen(name))
        name[first - start] = '.';
    for (int g = 0; g < GLOBALS; g++)
        if (strcmp(name, global_names[g]) == 0)
            return push(machine, GLOBAL, g, 0);
    const char *storage = strstr(name, "Storage");
    if (storage != NULL && strncmp(name, "torch.", 6) == 0) {
        int is_real = strstr(name, "Half") != NULL || strstr(name, "Double") != NULL;
        return fail(machine, "'%s' is refused: only float32 and bfloat16 are read; %s", name,
                    is_real ? "save model.float().state_dict()"
                            : "leave out what is no weight, such as counters");
    }
    return fail(machine, "'%s' is refused: " MORE_THAN_A_STATE_DICT, name);
}

static int run_tuple(struct machine *machine, uint32_t wanted) {
    size_t where = machine->member_count, first = 0, count = 0;
    MD_TRY(pop_values(machine, wanted, &first, &count));
    memcpy(machine->members + where, machine->stack + first, count * sizeof *machine->members);
    machine->member_count += count;
    return push(machine, TUPLE, (int32_t)where, (uint32_t)count);
}

/* Writes pairs into the dict below them. */
static int run_set_items(struct machine *machine, uint32_t wanted) {
    size_t first = 0, count = 0;
    MD_TRY(pop_values(machine, wanted, &first, &count));
    if (machine->height == 0 || on_stack(machine, machine->height - 1)->kind != DICT)
        return fail(machine, "there is no dict to put an item into");
    if (count % 2 != 0)
        return fail(machine, "a key without its value");
    for (size_t i = first; i < first + count; i += 2)
        if (on_stack(machine, i)->kind == TEXT) /* an optimizer counts parameters */
            machine->entries[machine->entry_count++] = (struct entry){
                machine->stack[machine->height - 1], machine->stack[i], machine->stack[i + 1]};
    return MD_OK;
}

/* What is put into a list is gone: no tensor is looked for in one. */
static int run_append(struct machine *machine, uint32_t wanted) {
    size_t first = 0, count = 0;
    MD_TRY(pop_values(machine, wanted, &first, &count));
    if (machine->height == 0 || on_stack(machine, machine->height - 1)->kind != LIST)
        return fail(machine, "there is no list to append to");
    return MD_OK;
}

static int run_put(struct machine *machine, uint32_t slot) {
    if (slot >= machine->length)
        return fail(machine, "memo slot %u is out of range", slot);
    int status = pop(machine, 1);
    if (status == MD_OK)
        machine->memo[slot] = machine->stack[machine->height++] + 1;
    return status;
}

static int run_get(struct machine *machine, uint32_t slot) {
    if (slot >= machine->length || machine->memo[slot] == 0)
        return fail(machine, "memo slot %u is empty", slot);
    machine->stack[machine->height++] = machine->memo[slot] - 1;
    return MD_OK;
}

/* BINPERSID: the only things outside the pickle are storages. */
static int run_storage(struct machine *machine, uint32_t unused) {
    (void)unused;
    const struct value *tuple;
    MD_TRY(pop_kind(machine, TUPLE, &tuple));
    return make_storage(machine, tuple);
}

static int run_reduce(struct machine *machine, uint32_t unused) {
    (void)unused;
    const struct value *arguments, *function;
    MD_TRY(pop_kind(machine, TUPLE, &arguments));
    MD_TRY(pop_kind(machine, GLOBAL, &function));
    if (function->where == REBUILD_TENSOR)
        return make_tensor(machine, arguments);
    if (function->where == REBUILD_PARAMETER)
        return make_parameter(machine, arguments);
    if (function->where == ORDERED_DICT && arguments->length == 0)
        return push(machine, DICT, 0, 0);
    return fail(machine, "a call of %s with %u arguments", global_names[function->where],
                arguments->length);
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
        return fail(machine, "there is more behind the end");
    if (machine->height != 1 || on_stack(machine, 0)->kind != DICT)
        return fail(machine, "the file does not hold a state dict; save model.state_dict()");
    return MD_OK;
}

/* An instruction gets the `operand_bytes` that follow it as a little-endian number, or else the
 * constant of its row. */
static const struct instruction {
    unsigned char code, operand_bytes, constant;
    int (*run)(struct machine *machine, uint32_t operand);
} instructions[] = {
    {0x80, 1, 0, run_protocol},    {'c', 0, 0, run_global},    {'(', 0, MARK, run_push},
    {'q', 1, 0, run_put},          {'r', 4, 0, run_put},       {'h', 1, 0, run_get},
    {'j', 4, 0, run_get},          {')', 0, 0, run_tuple},     {0x85, 0, 1, run_tuple},
    {0x86, 0, 2, run_tuple},       {0x87, 0, 3, run_tuple},    {'t', 0, TO_MARK, run_tuple},
    {'X', 4, 0, run_text},         {'J', 4, 0, run_integer},   {'K', 1, 0, run_integer},
    {'M', 2, 0, run_integer},      {0x88, 0, 1, run_boolean},  {0x89, 0, 0, run_boolean},
    {'}', 0, DICT, run_push},      {'s', 0, 2, run_set_items}, {'u', 0, TO_MARK, run_set_items},
    {'Q', 0, 0, run_storage},      {'R', 0, 0, run_reduce},    {'b', 0, 0, run_build},
    {'.', 0, 0, run_stop},         {'N', 0, NONE, run_push},   {'G', 0, 8, run_number},
    {0x8a, 1, 0, run_number},      {']', 0, LIST, run_push},   {'a', 0, 1, run_append},
    {'e', 0, TO_MARK, run_append},
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
        return fail(machine, "the pickle ends too early");
    unsigned char code = machine->bytes[machine->position++];
    const struct instruction *instruction = find_instruction(code);
    if (instruction == NULL)
        return fail(machine, MORE_THAN_A_STATE_DICT " (instruction 0x%02x)", code);
    if (instruction->operand_bytes > machine->length - machine->position)
        return fail(machine, "the pickle ends too early");
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

/* ---- the state dict -------------------------------------------------------------------------- */

enum { MOST_LEVELS = 4, REACHED = 1 };

/* Marks the dicts that the whole leads to. */
static void reach_dicts(struct machine *machine) {
    machine->values[machine->stack[0]].where = REACHED;
    for (int level = 1; level < MOST_LEVELS; level++)
        for (size_t i = 0; i < machine->entry_count; i++) {
            struct value *value = &machine->values[machine->entries[i].value];
            if (value->kind == DICT && machine->values[machine->entries[i].dict].where == REACHED)
                value->where = REACHED;
        }
}

/* A tensor without dimensions is a number that is kept beside a state dict: a loss, a count. */
static int holds_tensor(const struct machine *machine, const struct entry *entry) {
    const struct value *value = &machine->values[entry->value];
    return machine->values[entry->dict].where == REACHED && value->kind == TENSOR &&
           machine->tensors[value->where].dimensions > 0;
}

/* Training programs save the state dict below a name, beside the epoch, the optimizer's state and
 * the like. It is the only dict with tensors: the whole, or one below it. */
static int find_state_dict(struct machine *machine, uint32_t *found) {
    int count = 0;
    reach_dicts(machine);
    for (size_t i = 0; i < machine->entry_count; i++) {
        const struct entry *entry = &machine->entries[i];
        if (!holds_tensor(machine, entry) || (count > 0 && entry->dict == *found))
            continue;
        *found = entry->dict;
        count++;
    }
    if (count == 1)
        return MD_OK;
    return fail(machine, "%s; save model.state_dict() alone",
                count == 0 ? "the file holds no state dict with tensors"
                           : "the file holds more than one dict with tensors");
}

/* What wrappers of a model put before the names of its tensors. */
static void drop_prefixes(struct md_state_dict *dict) {
    static const char *const prefixes[] = {"module.", "_orig_mod.", "model.", "net."};
    for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
        const size_t length = strlen(prefixes[p]);
        size_t with = 0;
        while (with < dict->count && strncmp(dict->tensors[with].name, prefixes[p], length) == 0)
            with++;
        for (size_t t = 0; with == dict->count && t < dict->count; t++) {
            char *name = dict->tensors[t].name;
            memmove(name, name + length, strlen(name + length) + 1);
        }
    }
}

static int collect_tensor(struct machine *machine, const struct entry *entry,
                          struct md_state_dict *dict) {
    if (dict->count == MD_PICKLE_MOST_TENSORS)
        return fail(machine, "more than %d tensors", MD_PICKLE_MOST_TENSORS);
    struct md_pth_tensor *tensor = &dict->tensors[dict->count];
    *tensor = machine->tensors[machine->values[entry->value].where];
    MD_TRY(copy_name(machine, &machine->values[entry->key], sizeof tensor->name, tensor->name));
    for (size_t t = 0; t < dict->count; t++)
        if (strcmp(dict->tensors[t].name, tensor->name) == 0)
            return fail(machine, "tensor '%s' is there twice", tensor->name);
    dict->count++;
    return MD_OK;
}

static int collect(struct machine *machine, struct md_state_dict *dict) {
    uint32_t found = 0;
    int status = find_state_dict(machine, &found);
    for (size_t i = 0; i < machine->entry_count && status == MD_OK; i++)
        if (machine->entries[i].dict == found && holds_tensor(machine, &machine->entries[i]))
            status = collect_tensor(machine, &machine->entries[i], dict);
    drop_prefixes(dict);
    return status;
}

int md_pickle_read(const unsigned char *bytes, size_t length, struct md_state_dict *dict,
                   struct md_error *error) {
    *dict = (struct md_state_dict){0};
    if (length == 0 || length > MD_PICKLE_MOST_BYTES)
        return md_fail(error, MD_FAILED, "data.pkl has %zu bytes, expected 1 to %d", length,
                       MD_PICKLE_MOST_BYTES);
    struct machine machine = {.bytes = bytes, .length = length, .error = error};
    dict->tensors = calloc(MD_PICKLE_MOST_TENSORS, sizeof *dict->tensors);
    int status = md_check_memory(allocate_machine(&machine) && dict->tensors != NULL, error);
    while (status == MD_OK && !machine.stopped)
        status = step(&machine);
    MD_THEN(status, collect(&machine, dict));
    if (status != MD_OK)
        md_state_dict_free(dict);
    free_machine(&machine);
    return status;
}

void md_state_dict_free(struct md_state_dict *dict) {
    for (size_t i = 0; i < dict->count; i++)
        free(dict->tensors[i].values);
    free(dict->tensors);
    *dict = (struct md_state_dict){0};
}
