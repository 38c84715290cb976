#include "imports.h"

#include <assert.h>

ls_status support_import(const ls_choice *format, const ls_file *files, size_t count, ls_import *import) {
    const ls_format_type *type = (const ls_format_type *)format->type;
    const char *names[4];
    ls_texts inputs = {.count = count, .items = names};
    assert(count <= sizeof names / sizeof *names);
    for (size_t i = 0; i < count; i++) names[i] = files[i].name;
    *import = (ls_import){.common = format->common, .preset = files, .presets = count};
    LS_TRY(ls_pool_create(&import->pool));
    return type->import(format->options, &inputs, import);
}
