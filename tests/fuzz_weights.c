/* libFuzzer: any bytes as a weights file, or, when they begin like one, as the pickle inside (a
 * changed pickle would not get past the archive's checksum). Build with
 * clang -fsanitize=fuzzer,address,undefined; seeds: weights files and their data.pkl. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../results/pickle.h"
#include "../results/weights.h"
#include "h5_leaks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_pickle(const uint8_t *data, size_t size) {
    struct md_state_dict dict;
    struct md_error error;
    if (md_pickle_read(data, size, &dict, &error) == MD_OK)
        md_state_dict_free(&dict);
}

static void fuzz_file(const uint8_t *data, size_t size) {
    char path[] = "/tmp/fuzz_weights.XXXXXX";
    int descriptor = mkstemp(path);
    struct md_weights_info info;
    struct md_error error;
    const struct md_network *network;
    struct h5_moment start = h5_now();
    if (descriptor < 0 || write(descriptor, data, size) != (ssize_t)size)
        abort();
    close(descriptor);
    if (md_weights_network(path, &network, &error) == MD_OK) {
        float *values = malloc(md_parameter_total(network) * sizeof *values);
        if (values != NULL)
            md_weights_read(path, network, values, &info, &error);
        free(values);
    }
    unlink(path);
    if (h5_open_since(&start) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0 && data[0] == 0x80)
        fuzz_pickle(data, size);
    else
        fuzz_file(data, size);
    return 0;
}
