/*
 * library.h: the one door to HDF5.
 *
 * HDF5 keeps global state and may be built without threads, so its calls are made one at a time, between
 * ls__hdf5_enter() and ls__hdf5_leave(); the mutex is the one global of this module, as HDF5's state is. Entering also
 * silences HDF5's printing of its error stack, which it holds per thread, and keeps HDF5 from cleaning up at exit: a
 * file whose closing failed (a full disk) stays in its tables, freed, and closing it once more there would crash the
 * process. Every file of this module is closed when its store is.
 */
#ifndef LS_STORE_LIBRARY_H
#define LS_STORE_LIBRARY_H

#define H5_USE_110_API
#include <hdf5.h>

#include "lockstep/store.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files hold little-endian numbers and are written from memory as they are: this needs a little-endian machine"
#endif

void ls__hdf5_enter(void);
void ls__hdf5_leave(void);

/** The innermost reason on HDF5's error stack, in its own words; call it before anything else touches HDF5. */
typedef struct ls__reason {
    char text[256];
} ls__reason;
ls__reason ls__hdf5_reason(void);

/** Below: call between enter and leave. */

/** File access for reading and for writing: no locks (they fail on some NFS and Lustre mounts), strong close. */
hid_t ls__file_access(void);

/** The type of an IEEE half, which HDF5 has no name for; little-endian. To be closed by H5Tclose. */
hid_t ls__half_type(void);

#endif
