/*
 * items.h (private): items as one run of bytes, to be sent from rank 0 to all.
 */
#ifndef LS_CHECKPOINT_ITEMS_H
#define LS_CHECKPOINT_ITEMS_H

#include "lockstep/checkpoint.h"

/** Appends all items to `out`. */
ls_status ls__items_encode(const ls_items *items, ls_text *out) LS_MUST_USE;
/** Adds the items that ls__items_encode() wrote. */
ls_status ls__items_decode(const char *bytes, size_t length, ls_items *items) LS_MUST_USE;

#endif
