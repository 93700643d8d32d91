#include "pickle_machine.h"

#include <string.h>

enum { MOST_DIMENSIONS = 8 };

static const struct value *member(const struct machine *machine, const struct value *tuple,
                                  size_t index) {
    return &machine->values[machine->members[(size_t)tuple->where + index]];
}

/* Checks the kinds of all members of a tuple; `what` says what it stands for. */
static int check_members(struct machine *machine, const struct value *tuple, size_t count,
                         const enum md_pickle_kind *kinds, const char *what) {
    if (tuple->length != count)
        return md_pickle_fail(machine, "%s has %u members, expected %zu", what, tuple->length,
                              count);
    for (size_t i = 0; i < count; i++)
        if (member(machine, tuple, i)->kind != kinds[i])
            return md_pickle_fail(machine, "member %zu of %s is a %s, expected a %s", i, what,
                                  md_pickle_kind_names[member(machine, tuple, i)->kind],
                                  md_pickle_kind_names[kinds[i]]);
    return MD_OK;
}

/* Copies a text that will be a name: 1 .. size - 1 printable characters. */
static int copy_name(struct machine *machine, const struct value *text, size_t size, char *name) {
    const unsigned char *start = machine->bytes + text->where;
    int fits = text->length > 0 && text->length < size;
    for (size_t i = 0; fits && i < text->length; i++)
        fits = md_pickle_is_printable(start[i]);
    md_pickle_show(start, text->length, size, name);
    return fits ? MD_OK : md_pickle_fail(machine, "'%s' is empty, too long or unprintable", name);
}

/* ("storage", type, key, device, elements) */
int md_pickle_storage(struct machine *machine, const struct value *tuple) {
    static const enum md_pickle_kind kinds[] = {TEXT, GLOBAL, TEXT, TEXT, INTEGER};
    MD_TRY(check_members(machine, tuple, 5, kinds, "a storage"));
    const struct value *tag = member(machine, tuple, 0);
    if (tag->length != 7 || memcmp(machine->bytes + tag->where, "storage", 7) != 0)
        return md_pickle_fail(machine, "a persistent id that is not a storage");
    if (member(machine, tuple, 1)->where < FLOAT_STORAGE)
        return md_pickle_fail(machine, "'%s' is not a storage type",
                              md_pickle_global_names[member(machine, tuple, 1)->where]);
    int32_t elements = member(machine, tuple, 4)->where;
    if (elements < 1 || elements > MD_PICKLE_MOST_ELEMENTS)
        return md_pickle_fail(machine, "a storage of %d elements, expected 1 to %d", elements,
                              MD_PICKLE_MOST_ELEMENTS);
    return md_pickle_push(machine, STORAGE, tuple->where, tuple->length);
}

static int read_shape(struct machine *machine, const struct value *sizes,
                      const struct value *strides, struct md_pickled_tensor *tensor) {
    if (sizes->length > MOST_DIMENSIONS || strides->length != sizes->length)
        return md_pickle_fail(machine, "%u sizes and %u strides", sizes->length, strides->length);
    tensor->dimensions = (int)sizes->length;
    tensor->count = 1;
    for (size_t d = sizes->length; d-- > 0;) {
        const struct value *size = member(machine, sizes, d), *stride = member(machine, strides, d);
        if (size->kind != INTEGER || stride->kind != INTEGER)
            return md_pickle_fail(machine, "a size or stride is not an integer");
        if (size->where < 1 || (size_t)size->where > MD_PICKLE_MOST_ELEMENTS / tensor->count)
            return md_pickle_fail(machine, "size %d in dimension %zu is out of range", size->where,
                                  d);
        /* The stride of a dimension of one element is never used, and PyTorch may write any. */
        if (size->where != 1 && (stride->where < 1 || (size_t)stride->where != tensor->count))
            return md_pickle_fail(machine,
                                  "it is not contiguous: stride %d in dimension %zu, expected %zu",
                                  stride->where, d, tensor->count);
        tensor->shape[d] = (size_t)size->where;
        tensor->count *= (size_t)size->where;
    }
    return MD_OK;
}

/* _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, backward_hooks) */
int md_pickle_tensor(struct machine *machine, const struct value *arguments) {
    static const enum md_pickle_kind kinds[] = {STORAGE, INTEGER, TUPLE, TUPLE, BOOLEAN, DICT};
    MD_TRY(check_members(machine, arguments, 6, kinds, "the tensor"));
    if (machine->tensor_count == MD_PICKLE_MOST_TENSORS)
        return md_pickle_fail(machine, "more than %d tensors", MD_PICKLE_MOST_TENSORS);
    struct md_pickled_tensor *tensor = &machine->tensors[machine->tensor_count];
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
        return md_pickle_fail(machine, "%zu elements from %d on do not fit into a storage of %zu",
                              tensor->count, offset, tensor->storage_count);
    tensor->offset = (size_t)offset;
    return md_pickle_push(machine, TENSOR, (int32_t)machine->tensor_count++, 0);
}

/* _rebuild_parameter(tensor, requires_grad, backward_hooks) */
int md_pickle_parameter(struct machine *machine, const struct value *arguments) {
    static const enum md_pickle_kind kinds[] = {TENSOR, BOOLEAN, DICT};
    int status = check_members(machine, arguments, 3, kinds, "a parameter");
    if (status == MD_OK)
        machine->stack[machine->height++] = machine->members[arguments->where];
    return status;
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
    return md_pickle_fail(machine, "%s; save model.state_dict() alone",
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
        return md_pickle_fail(machine, "more than %d tensors", MD_PICKLE_MOST_TENSORS);
    struct md_pickled_tensor *tensor = &dict->tensors[dict->count];
    *tensor = machine->tensors[machine->values[entry->value].where];
    MD_TRY(copy_name(machine, &machine->values[entry->key], sizeof tensor->name, tensor->name));
    for (size_t t = 0; t < dict->count; t++)
        if (strcmp(dict->tensors[t].name, tensor->name) == 0)
            return md_pickle_fail(machine, "tensor '%s' is there twice", tensor->name);
    dict->count++;
    return MD_OK;
}

int md_pickle_collect(struct machine *machine, struct md_state_dict *dict) {
    uint32_t found = 0;
    int status = find_state_dict(machine, &found);
    for (size_t i = 0; i < machine->entry_count && status == MD_OK; i++)
        if (machine->entries[i].dict == found && holds_tensor(machine, &machine->entries[i]))
            status = collect_tensor(machine, &machine->entries[i], dict);
    drop_prefixes(dict);
    return status;
}
