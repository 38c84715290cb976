#include "model/families.h"

static const ls_option rows[] = {
    {LS_OPTION_ROW(ls__from_options, file, LS_KIND_TEXT, LS_REQUIRED, "FILE:/GROUP, such as a checkpoint"),
     .main = true},
    LS_OPTION_TEXTS(ls__from_options, layers, NULL, "only these layers; by default all"),
    LS_OPTION_CHOICE(ls__from_options, rest, NULL, &ls_init_family, "weights of the other layers"),
    LS_OPTION_END,
};

const ls_init_type ls__init_from = {
    .type = {.name = "from", .doc = "values out of a file", .rows = rows, .options_size = sizeof(ls__from_options)},
};
