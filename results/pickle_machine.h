/* The machine that runs a pickle, for its two halves: pickle.c has the stack and the instructions,
 * pickle_tensor.c knows what PyTorch means by them. */
#ifndef MD_RESULTS_PICKLE_MACHINE_H
#define MD_RESULTS_PICKLE_MACHINE_H

#include <stdint.h>

#include "pickle.h"

enum md_pickle_kind {
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
enum md_pickle_global {
    ORDERED_DICT,
    REBUILD_TENSOR,
    REBUILD_PARAMETER,
    FLOAT_STORAGE,
    BFLOAT16_STORAGE,
    GLOBALS
};

/* For messages: "tuple"; "torch.FloatStorage". */
extern const char *const md_pickle_kind_names[];
extern const char *const md_pickle_global_names[GLOBALS];

struct value {
    enum md_pickle_kind kind;
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
    struct md_pickled_tensor *tensors;
    size_t value_count, height, member_count, entry_count, tensor_count;
    size_t height_before; /* of the stack, before the instruction being run */
    struct md_error *error;
};

/* The value at `place` of the stack, counted from its bottom. */
const struct value *md_pickle_on_stack(const struct machine *machine, size_t place);

/* Puts a new value on the stack; always MD_OK. */
int md_pickle_push(struct machine *machine, enum md_pickle_kind kind, int32_t where,
                   uint32_t length);

/* Puts "data.pkl byte N: " before the error's text, and the name of the tensor when one is being
 * built; the macro sets the text too, and is MD_FAILED. */
void md_pickle_locate(const struct machine *machine);
#define md_pickle_fail(machine, ...)                                                               \
    (md_error_set((machine)->error, __VA_ARGS__), md_pickle_locate(machine), (int)MD_FAILED)

/* A character that can be shown to the user and used in a name. */
int md_pickle_is_printable(unsigned char c);

/* Copies text for a message, with anything unprintable as '?', cut to `size`; returns `shown`. */
const char *md_pickle_show(const unsigned char *text, size_t length, size_t size, char *shown);

/* Makes a storage of a persistent id's tuple, and a tensor of a rebuild call's arguments; a
 * parameter is the tensor among them. */
int md_pickle_storage(struct machine *machine, const struct value *tuple);
int md_pickle_tensor(struct machine *machine, const struct value *arguments);
int md_pickle_parameter(struct machine *machine, const struct value *arguments);

/* Collects the tensors of the dict that is left on the stack, or of the only one below it that has
 * any, under their names. */
int md_pickle_collect(struct machine *machine, struct md_state_dict *dict);

#endif
