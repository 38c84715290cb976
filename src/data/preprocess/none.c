/* none: z = x. */
#include "data/preprocess.h"

const ls_preprocess_type ls_preprocess_none = {.type = {"none", "leave the data as they are", NULL, 0}};
