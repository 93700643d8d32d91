/* A config from its file and the command line, its step fitted into its budget. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/file.h"
#include "budget.h"
#include "config_keys.h"

static int set_file(struct config_builder *builder, const char *path, struct md_error *error) {
    char text[MD_CONFIG_LONGEST + 1], found[MD_PATH_MAX];
    md_shipped_path(path, found);
    FILE *file = fopen(found, "rb");
    if (file == NULL)
        return md_fail(error, MD_FAILED, "%.400s: %s", path, strerror(errno));
    size_t size = fread(text, 1, sizeof text, file);
    int failure = ferror(file) ? errno : 0;
    fclose(file);
    if (failure != 0)
        return md_fail(error, MD_FAILED, "%.400s: cannot read: %s", path, strerror(failure));
    return md_builder_document(builder, text, size, path, error);
}

int md_config_read(const char *path, int override_count, char *const *overrides,
                   struct md_config *config, struct md_error *error) {
    struct config_builder builder;
    MD_TRY(md_builder_begin(&builder, config, error));
    if (path != NULL)
        MD_TRY(set_file(&builder, path, error));
    md_builder_end_layer(&builder); /* an override may repeat a key of the file */
    MD_TRY(md_builder_overrides(&builder, override_count, overrides, error));
    MD_TRY(md_builder_finish(&builder, path != NULL ? path : "command line", error));
    return md_budget_fit(config, NULL, error);
}
