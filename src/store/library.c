#include "store/library.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t ls__hdf5_mutex = PTHREAD_MUTEX_INITIALIZER;

void ls__hdf5_enter(void) {
    pthread_mutex_lock(&ls__hdf5_mutex);
    H5dont_atexit(); /* counts before HDF5's first call only */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void ls__hdf5_leave(void) {
    pthread_mutex_unlock(&ls__hdf5_mutex);
}

static herr_t take_innermost(unsigned n, const H5E_error2_t *error, void *out) {
    if (n > 0) return 0;
    /* Of a failed system call HDF5 says a paragraph, in which the system's own words are all that helps. */
    const char *mark = "error message = '", *words = strstr(error->desc, mark);
    size_t length = words ? strcspn(words + strlen(mark), "\n'") : strcspn(error->desc, "\n");
    words = words ? words + strlen(mark) : error->desc;
    snprintf(((ls__reason *)out)->text, sizeof(ls__reason), "%.*s", (int)length, words);
    return 0;
}

ls__reason ls__hdf5_reason(void) {
    ls__reason reason = {"HDF5 gives no reason"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, &reason);
    return reason;
}

hid_t ls__file_access(void) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    H5Pset_file_locking(access, false, true);
    return access;
}

hid_t ls__half_type(void) {
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

#define WORD(number) #number
#define VERSION(major, minor, release) "HDF5 " WORD(major) "." WORD(minor) "." WORD(release)

const char *ls_store_library(void) {
    return VERSION(H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE);
}
